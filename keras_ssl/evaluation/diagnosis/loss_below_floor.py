"""The loss is lower than it can be."""

from keras_ssl.evaluation.diagnosis.evidence import Evidence, Finding

_ROUNDING = 1e-3


def loss_below_floor(evidence: Evidence) -> Finding | None:
    """The loss lies below its theoretical floor, by more than rounding (a thousandth)."""
    floor = evidence.floor
    if floor is None or not evidence.loss < floor - _ROUNDING * max(1.0, abs(floor)):
        return None
    return Finding(
        "loss below its theoretical floor",
        {"loss": evidence.loss, "floor": floor},
        "This is a mistake in the loss, not learning: look for embeddings that are not normalized, a temperature other "
        "than the stated one, or candidates that are missing.",
    )
