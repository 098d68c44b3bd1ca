"""The losses of CAPI: balanced assignments of patches to clusters, and their prediction."""

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, check_integer, same_shape
from keras_ssl.typing import Tensor

__all__ = ["assignment_loss", "position_assignments"]


def position_assignments(logits: Tensor, temperature: float = 0.06, iterations: int = 3) -> Tensor:
    """Soft assignments of patches to clusters that share out the samples evenly, for each position by itself.

    Sinkhorn-Knopp of `exp(logits / temperature)` as in `sinkhorn`, with the N samples of one position as rows: so no
    cluster can stand for a place in the image. Each row is a distribution. Computed by logarithms, in float32. Without
    gradient.

    Args:
        logits: similarities of patches to clusters, `[N, T, K]`, of the whole global batch.
        temperature: greater than 0. Defaults to 0.06.
        iterations: at least 1. Defaults to 3.

    Returns:
        float32 `[N, T, K]`.

    Raises:
        ValueError: if an argument is out of range, or `logits` is not `[N, T, K]`.

    Example:

    >>> found = position_assignments(np.zeros((2, 3, 4)))
    >>> round(float(found[0, 0, 0]), 4)
    0.25

    Reference: Darcet et al., "Cluster and Predict Latent Patches for Improved Masked Image Modeling", TMLR 2025.
    """
    ops = keras.ops
    temperature = check_number("temperature", temperature, 0.0, above=True)
    iterations = check_integer("iterations", iterations, 1)
    if len(logits.shape) != 3:
        raise ValueError(f"`logits` must be [N, T, K]. Received: logits.shape={tuple(logits.shape)}")
    logs = ops.stop_gradient(as_float(logits)) / temperature
    for _ in range(iterations):
        logs = logs - ops.logsumexp(logs, axis=0, keepdims=True)
        logs = logs - ops.logsumexp(logs, axis=2, keepdims=True)
    return ops.exp(logs)


def assignment_loss(logits: Tensor, assignments: Tensor, temperature: float = 0.12) -> Tensor:
    """The mean cross-entropy of assignments and predicted ones, `mean -sum_k a_k log softmax(logits / temperature)_k`.

    Args:
        logits: predicted similarities to clusters, `[..., K]`.
        assignments: distributions over the clusters, of the same shape; no gradient flows through them.
        temperature: greater than 0. Defaults to 0.12.

    Returns:
        A scalar.

    Raises:
        ValueError: if the temperature is not finite and positive, or the shapes do not fit.

    Example:

    >>> round(float(assignment_loss(np.zeros((2, 3, 4)), np.full((2, 3, 4), 0.25))), 4)  # log 4
    1.3863

    Reference: Darcet et al., "Cluster and Predict Latent Patches for Improved Masked Image Modeling", TMLR 2025.
    """
    temperature = check_number("temperature", temperature, 0.0, above=True)
    if not same_shape(logits.shape, assignments.shape):
        raise ValueError(
            "`logits` and `assignments` must have one shape. "
            f"Received: logits.shape={tuple(logits.shape)}, assignments.shape={tuple(assignments.shape)}"
        )
    ops = keras.ops
    logs = ops.log_softmax(as_float(logits) / temperature, axis=-1)
    return -ops.mean(ops.sum(ops.stop_gradient(as_float(assignments, logits)) * logs, axis=-1))
