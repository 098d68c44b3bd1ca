"""Cross-entropy of uncertain samples among fewer classes."""

import keras

from keras_ssl.losses.numeric import as_float, check_shape
from keras_ssl.typing import Tensor

__all__ = ["shrink_loss"]

_REMOVED = -1e9


def shrink_loss(probabilities: Tensor, strong: Tensor, threshold: float = 0.95) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of ShrinkMatch for samples whose largest probability is below the threshold.

    With the probabilities in falling order, `p_1 >= p_2 >= ... >= p_K`, the runners-up of ranks 2 to c are removed,
    with the smallest c of 2 to K - 1 for which `p_1 / (p_1 + sum_{j > c} p_j) >= threshold`. The loss is `p_1` times
    the cross-entropy to the first class in the softmax of the strong view's logits over the classes that are left.
    A sample that is certain already, or for which no c is enough, has the loss 0.

    Args:
        probabilities: of the weak view, `[N, K]`; no gradient flows into them.
        strong: logits of the strong view, `[N, K]`. Removed classes get no gradient.
        threshold: least confidence, in [0, 1]. Defaults to 0.95, the paper's.

    Returns:
        Of each sample the loss, 1 where it counts (else 0), and the number of removed classes: float32 `[N]` each.

    Raises:
        ValueError: if `threshold` lies outside [0, 1], or the shapes differ.

    Example:

    >>> p = keras.ops.array([[0.6, 0.37, 0.02, 0.01]])
    >>> loss, counted, removed = shrink_loss(p, keras.ops.zeros((1, 4)))
    >>> round(float(loss[0] / 0.6), 4), float(counted[0]), float(removed[0])
    (1.0986, 1.0, 1.0)

    Reference: Yang et al., "Shrinking Class Space for Enhanced Certainty in Semi-Supervised Learning", ICCV 2023.
    """
    if not 0.0 <= threshold <= 1.0:
        raise ValueError(f"`threshold` must lie in [0, 1]. Received: threshold={threshold}")
    check_shape("strong", strong, probabilities.shape)
    ops = keras.ops
    probabilities, strong = ops.stop_gradient(as_float(probabilities, strong)), as_float(strong)
    classes = strong.shape[1]
    order = ops.argsort(-probabilities, axis=1)
    p = ops.take_along_axis(probabilities, order, axis=1)
    first = p[:, 0]
    if classes < 3:
        zeros = ops.zeros_like(first)
        return ops.sum(strong, axis=1) * 0.0, zeros, zeros
    # Column k: what is left of the probability where the k classes behind the first are gone, k = 1 ... K - 2.
    rest = ops.flip(ops.cumsum(ops.flip(p, axis=1), axis=1), axis=1)[:, 2:]
    confidence = first[:, None] / ops.maximum(first[:, None] + rest, 1e-12)
    enough = confidence >= threshold
    removed = 1 + ops.sum(ops.cast(ops.logical_not(enough), "int32"), axis=1)
    counted = ops.logical_and(enough[:, -1], first < threshold)
    rank = ops.arange(classes, dtype="int32")[None, :]
    kept = ops.logical_or(rank == 0, rank > removed[:, None])
    logits = ops.take_along_axis(strong, order, axis=1)
    logits = ops.where(kept, logits, ops.full_like(logits, _REMOVED))
    loss = -ops.log_softmax(logits, axis=1)[:, 0]
    counted = ops.cast(counted, loss.dtype)
    return loss * counted * ops.cast(first, loss.dtype), counted, ops.cast(removed, loss.dtype) * counted
