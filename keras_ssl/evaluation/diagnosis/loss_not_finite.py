"""The loss, or an embedding, is not a number."""

import math

from keras_ssl.evaluation.diagnosis.evidence import Evidence, Finding


def loss_not_finite(evidence: Evidence) -> Finding | None:
    """The loss or an embedding is NaN or infinite."""
    if math.isfinite(evidence.loss) and math.isfinite(evidence.now.spread):
        return None
    return Finding(
        "loss not finite",
        {"loss": evidence.loss, "updates": float(evidence.updates)},
        "Lower the learning rate, clip the gradient, or train in float32 or bfloat16 rather than float16.",
    )
