"""Cross-entropy to confident predictions of another view."""

import keras

from keras_ssl.losses.numeric import as_float, check_shape
from keras_ssl.typing import Tensor


def pseudo_label_loss(weak: Tensor, strong: Tensor, threshold: float = 0.95) -> tuple[Tensor, Tensor]:
    """The loss of FixMatch for unlabeled samples.

    With `p = softmax(weak)` without gradient, `[max p >= threshold] * CE(argmax p, softmax(strong))`.

    Args:
        weak: logits of weakly augmented samples, `[N, K]`.
        strong: logits of the same samples, strongly augmented, `[N, K]`.
        threshold: least confidence, in [0, 1]. Defaults to 0.95, the paper's.

    Returns:
        The loss of each sample, 0 where it is not confident, and 1 for confident samples, else 0: float32 `[N]` each.

    Raises:
        ValueError: if `threshold` lies outside [0, 1], or the shapes differ.

    Example:

    >>> loss, confident = pseudo_label_loss(keras.ops.array([[9.0, 0.0]]), keras.ops.array([[0.0, 0.0]]))
    >>> round(float(loss[0]), 4), float(confident[0])
    (0.6931, 1.0)

    Reference: Sohn et al., "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence", NeurIPS
    2020.
    """
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"`threshold` must lie in [0, 1]. Received: threshold={threshold}")
    check_shape("strong", strong, weak.shape)
    ops = keras.ops
    probabilities = ops.stop_gradient(ops.softmax(as_float(weak), axis=1))
    confident = ops.cast(ops.max(probabilities, axis=1) >= threshold, probabilities.dtype)
    label = ops.argmax(probabilities, axis=1)
    chosen = ops.take_along_axis(ops.log_softmax(as_float(strong), axis=1), label[:, None], axis=1)[:, 0]
    return -chosen * confident, confident
