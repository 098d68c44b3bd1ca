"""The optimizer does not move the encoder."""

from keras_ssl.evaluation.diagnosis.evidence import Evidence, Finding

_ENOUGH = 5  # updates that a warm-up from 0 has left behind


def weights_stand_still(evidence: Evidence) -> Finding | None:
    """The encoder has a gradient, and yet its weights are what they were when training began."""
    if evidence.updates < _ENOUGH or evidence.student_moved or not evidence.gradient:
        return None
    return Finding(
        "weights stand still",
        {"updates": float(evidence.updates), "gradient over weights": evidence.gradient},
        "Look at the learning rate and its schedule, and at which variables the optimizer was given.",
    )
