"""Cross-entropy to the pseudo-labels of another view, with a weight for each sample."""

import keras

from keras_ssl.losses.numeric import as_float, check_shape
from keras_ssl.typing import Tensor

__all__ = ["weighted_pseudo_label_loss"]


def weighted_pseudo_label_loss(weak: Tensor, strong: Tensor, weights: Tensor) -> Tensor:
    """`weights * CE(argmax weak, softmax(strong))`: a pseudo-label loss whose mask or weight comes from elsewhere.

    Args:
        weak: logits or probabilities `[N, K]` whose largest entry is the pseudo-label; no gradient flows into them.
        strong: logits of another view of the same samples, `[N, K]`.
        weights: of each sample, `[N]`; no gradient flows into them.

    Returns:
        The loss of each sample, float32 `[N]`.

    Raises:
        ValueError: if the shapes do not fit.

    Example:

    >>> weak, strong = keras.ops.array([[2.0, 1.0]]), keras.ops.array([[0.0, 0.0]])
    >>> round(float(weighted_pseudo_label_loss(weak, strong, keras.ops.array([0.5]))[0]), 4)
    0.3466

    Reference: Chen et al., "SoftMatch: Addressing the Quantity-Quality Trade-off in Semi-supervised Learning", ICLR
    2023.
    """
    check_shape("strong", strong, weak.shape)
    check_shape("weights", weights, weak.shape[:1])
    ops = keras.ops
    label = ops.argmax(ops.stop_gradient(weak), axis=1)
    chosen = ops.take_along_axis(ops.log_softmax(as_float(strong), axis=1), label[:, None], axis=1)[:, 0]
    return -chosen * ops.stop_gradient(ops.cast(weights, chosen.dtype))
