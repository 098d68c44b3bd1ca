"""Embeddings use a few of their dimensions."""

from keras_ssl.evaluation.diagnosis.evidence import Evidence, Finding

_SHARE = 0.06  # of the dimensions that there could be
_LOST = 0.5  # of those used at the start


def dimensional_collapse(evidence: Evidence) -> Finding | None:
    """The effective rank is both below 6 % of `min(N - 1, D)` and below half of what it was at the start."""
    now, start = evidence.now, evidence.start
    most = min(now.samples - 1, now.width)
    if now.rank >= max(_SHARE * most, 1.5) or now.rank >= _LOST * start.rank:
        return None
    return Finding(
        "dimensional collapse",
        {"effective rank": now.rank, "at the start": start.rank, "at most": float(most)},
        "Give redundancy or variance terms (or negatives) more weight, lower the learning rate or weight decay, or "
        "widen the projector.",
    )
