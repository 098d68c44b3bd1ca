"""No gradient reaches the encoder."""

from keras_ssl.evaluation.diagnosis.evidence import Evidence, Finding

_NONE = 1e-10
_MOST = 0.5


def vanished_gradient(evidence: Evidence) -> Finding | None:
    """The encoder's gradient is zero (shorter than 1e-10 of its weights), or that of most of its tensors is."""
    gradient = evidence.gradient
    if gradient is None or (gradient > _NONE and evidence.dead <= _MOST):
        return None
    return Finding(
        "gradient vanished",
        {"gradient over weights": gradient, "tensors without": evidence.dead, "loss": evidence.loss},
        "Look for dead ReLUs (lower the learning rate, normalize, start anew), a stop-gradient too many, or a "
        "softmax so sharp that it is saturated (raise the temperature).",
    )
