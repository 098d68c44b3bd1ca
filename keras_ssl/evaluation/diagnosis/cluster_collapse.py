"""Embeddings of many images are a few points."""

from keras_ssl.evaluation.diagnosis.evidence import Evidence, Finding

_POINTS = 0.05  # of the images
_LOST = 0.5  # of the points, or prototypes, at the start
_APART = 0.2
_PROTOTYPES = 2.0


def cluster_collapse(evidence: Evidence) -> Finding | None:
    """Images fall into few points (under a twentieth of their number, and half as at the start), or share a prototype.

    Points are groups of cosines above 0.99 that lie apart from each other (a spread of 0.2 or more); objectives that
    learn labels may well end in them. Prototypes are counted by the perplexity of the images' nearest ones.
    """
    now, start = evidence.now, evidence.start
    remedy = (
        "Balance the clusters (more Sinkhorn iterations, a queue, a center that follows faster) or sharpen less; use "
        "more prototypes, and keep them frozen for longer at the start."
    )
    used = evidence.prototypes_used
    if used is not None and used < _PROTOTYPES < (evidence.prototypes or 0):
        return Finding("cluster collapse", {"prototypes used": used, "of": float(evidence.prototypes or 0)}, remedy)
    few = 1 < now.points <= max(_POINTS * now.samples, 2) and now.points < _LOST * start.points
    if evidence.supervised or not few or now.spread < _APART:
        return None
    return Finding(
        "cluster collapse",
        {"points": float(now.points), "at the start": float(start.points), "images": float(now.samples)},
        remedy,
    )
