"""All embeddings are one point."""

from keras_ssl.evaluation.diagnosis.evidence import Evidence, Finding

_SPREAD = 0.05  # the conformance suite's bound for a constant input, too


def complete_collapse(evidence: Evidence) -> Finding | None:
    """Embeddings of different images point the same way: a spread below 0.05, where the sphere has 1."""
    if evidence.now.spread >= _SPREAD:
        return None
    return Finding(
        "complete collapse",
        {"spread": evidence.now.spread, "spread at the start": evidence.start.spread, "loss": evidence.loss},
        "Check that a predictor or negatives are there and that the target carries no gradient; then try a lower "
        "learning rate, batch norm in the projector, or a higher momentum of the teacher.",
    )
