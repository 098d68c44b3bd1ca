"""Trust in two predictions by how much they differ."""

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, check_shape
from keras_ssl.typing import Tensor

__all__ = ["divergence_weight"]


def divergence_weight(first: Tensor, second: Tensor, sharpness: float = 1.0, divergence: str = "kl") -> Tensor:
    """`exp(-sharpness * d(first, second))`: 1 where two predictions agree, towards 0 where they differ.

    With "kl" the divergence d is `KL(p, q) + KL(q, p)`, in nats, of `p = softmax(first)` and `q = softmax(second)`.
    With "l2" it is the squared distance of the values themselves, a sum over the last axis; it suits heat maps and
    coordinates. No gradient flows through the weight.

    Args:
        first: a prediction, logits for "kl", `[..., K]`: `[N, K]` of samples, `[N, H, W, K]` of pixels.
        second: another one, of the same shape.
        sharpness: at least 0; with 0 every weight is 1. Defaults to 1.
        divergence: "kl" (default) or "l2".

    Returns:
        Weights in [0, 1], float32 `[...]`.

    Raises:
        ValueError: if `sharpness` is negative or not finite, `divergence` is unknown, or the shapes differ.

    Example:

    >>> same, other = keras.ops.array([[2.0, 0.0]]), keras.ops.array([[0.0, 2.0]])
    >>> [round(float(divergence_weight(same, logits)[0]), 4) for logits in (same, other)]
    [1.0, 0.0475]

    Reference: Ohkawa et al., "Domain Adaptive Hand Keypoint and Pixel Localization in the Wild", ECCV 2022, for the
    idea; the form of the weight is this library's.
    """
    sharpness = check_number("sharpness", sharpness, 0.0)
    if divergence not in ("kl", "l2"):
        raise ValueError(f'`divergence` must be "kl" or "l2". Received: divergence={divergence!r}')
    check_shape("second", second, first.shape)
    ops = keras.ops
    first, second = as_float(first), as_float(second, first)
    if divergence == "kl":
        log_p, log_q = ops.log_softmax(first, axis=-1), ops.log_softmax(second, axis=-1)
        distance = ops.sum((ops.exp(log_p) - ops.exp(log_q)) * (log_p - log_q), axis=-1)
    else:
        distance = ops.sum(ops.square(first - second), axis=-1)
    return ops.stop_gradient(ops.exp(-sharpness * distance))
