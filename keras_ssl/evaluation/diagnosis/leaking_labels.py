"""Pixels tell the label."""

from keras_ssl.evaluation.diagnosis.evidence import Evidence, Finding

_TOLD = 0.99


def leaking_labels(evidence: Evidence) -> Finding | None:
    """One pixel alone tells the class: 99 % of its variance lies between classes."""
    if evidence.label_share is None or evidence.label_share < _TOLD:
        return None
    return Finding(
        "labels leaking",
        {"share of a pixel's variance between classes": evidence.label_share, "pixel": str(evidence.label_pixel)},
        "Accuracy will measure this pixel: look for stamps, borders, file formats or padding that go with the class, "
        "and cut them off.",
    )
