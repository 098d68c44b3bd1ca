"""A regularizer that makes one threshold of similarity fit all classes."""

import keras

from keras_ssl.losses.metric.checks import check_finite_number, check_labels, check_matrix, check_weight
from keras_ssl.losses.numeric import l2_normalize
from keras_ssl.losses.view_similarities import equal_pairs
from keras_ssl.typing import Tensor

__all__ = ["threshold_consistent_margin_loss"]


def threshold_consistent_margin_loss(
    z: Tensor,
    labels: Tensor,
    positive_margin: float = 0.9,
    negative_margin: float = 0.5,
    positive_weight: float = 1.0,
    negative_weight: float = 1.0,
) -> Tensor:
    r"""TCM: pulls pairs of one class above one cosine and pushes pairs of two classes below another.

    With the cosines s of all pairs of different samples:

    `w+ * mean_{same class, s <= m+} (m+ - s)  +  w- * mean_{other class, s >= m-} (s - m-)`.

    Both means are over the pairs that violate their margin, so a few hard pairs weigh as much as many; a mean over no
    pair is 0. It is meant to be added to any other loss of embeddings.

    Args:
        z: embeddings, `[N, D]`; L2-normalized here.
        labels: integers `[N]`. Negative labels (-1) are unlabeled: their pairs are left out.
        positive_margin: m+, a cosine. Defaults to 0.9.
        negative_margin: m-, a cosine. Defaults to 0.5.
        positive_weight: w+, not negative. Defaults to 1.
        negative_weight: w-, not negative. Defaults to 1.

    Returns:
        A scalar.

    Raises:
        ValueError: if shapes do not fit, labels are not integers, a margin is outside [-1, 1] or a weight negative.

    Example:

    >>> z = np.array([[1.0, 0.0], [1.0, 0.0], [0.8, 0.6]], "float32")
    >>> round(float(threshold_consistent_margin_loss(z, np.array([0, 0, 1]))), 4)  # 0.8 is 0.3 above 0.5
    0.3

    Reference:
        Zhang et al., "Threshold-Consistent Margin Loss for Open-World Deep Metric Learning", ICLR 2024.
    """
    for name, margin in (("positive_margin", positive_margin), ("negative_margin", negative_margin)):
        if not -1.0 <= check_finite_number(name, margin) <= 1.0:
            raise ValueError(f"`{name}` must lie in [-1, 1]. Received: {name}={margin}")
    check_weight("positive_weight", positive_weight)
    check_weight("negative_weight", negative_weight)
    ops = keras.ops
    z = l2_normalize(check_matrix("z", z))
    labels = check_labels("labels", labels, z.shape[0])
    cosines = ops.matmul(z, ops.transpose(z))
    rows = ops.arange(ops.shape(z)[0], dtype="int32")
    known = ops.logical_and((labels >= 0)[:, None], (labels >= 0)[None, :])
    pair = ops.logical_and(ops.logical_not(equal_pairs(rows)), known)
    same = equal_pairs(labels)
    hard_positive = ops.logical_and(ops.logical_and(pair, same), cosines <= positive_margin)
    hard_negative = ops.logical_and(ops.logical_and(pair, ops.logical_not(same)), cosines >= negative_margin)
    positive = _mean_where(hard_positive, positive_margin - cosines)
    negative = _mean_where(hard_negative, cosines - negative_margin)
    return positive_weight * positive + negative_weight * negative


def _mean_where(chosen: Tensor, values: Tensor) -> Tensor:
    """The mean of the chosen entries, 0 where none is."""
    weights = keras.ops.cast(chosen, values.dtype)
    return keras.ops.sum(weights * values) / keras.ops.maximum(keras.ops.sum(weights), 1.0)
