"""A loss from the score of inter- and intra-class nearest neighbors."""

from typing import Any

import keras

from keras_ssl.losses.metric.checks import check_labels, check_matrix
from keras_ssl.losses.metric.distances import euclidean_distances
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.losses.view_similarities import equal_pairs
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

__all__ = ["ICNNLoss", "icnn_loss"]

_LARGE, _LEAST = 1e30, 1e-7


def icnn_loss(embeddings: Tensor, labels: Tensor, neighbors: int = 4) -> Tensor:
    r"""`-log` of how well the classes are separated, judged by each sample's nearest neighbors.

    With the Euclidean distances d, `K(i)` the k nearest other samples of i, and `e_i` the distance of i to the
    nearest sample of another class, the score is `(((1 - A) + B) / 2 + G) / 2`, where

    - A is the mean over samples of `mean_{j in K(i), same class} r_ij`, `r_ij = d_ij / e_i`, divided by the largest
      r of K(i) where that is above 1: distances in a class, as shares of the way to the next class;
    - B is the mean over samples of `mean_{j in K(i), other class} d_ij`, divided by the largest such distance of the
      batch: how far away neighbors of other classes are; 1 where there are none;
    - G is the share of the neighbors that have the class of their sample. It has no gradient.

    The means A and B are over the samples that have such neighbors; A is 1 where no sample has. The score is 1 for
    classes that are points apart from each other. Larger k looks at a larger neighborhood.

    The paper adds a term of variances that the authors' code leaves out, and so does this. Their code searches `e_i`
    among the neighbors only, here it is the nearest of all.

    Args:
        embeddings: `[N, D]`, taken as they are.
        labels: integers `[N]`; each number is a class, negative ones too. Of a single class the loss is 0.
        neighbors: k, from 1 to N - 1. Defaults to 4, as in the authors' code.

    Returns:
        A scalar, at least 0; scores below 1e-7 count as that.

    Raises:
        ValueError: if shapes do not fit, labels are not integers or `neighbors` is out of range.

    Example:

    >>> points = np.array([[0.0], [1.0], [4.0], [5.0]])
    >>> round(float(icnn_loss(points, np.array([0, 0, 1, 1]), neighbors=1)), 4)
    0.0757

    Reference:
        Mendez-Ruiz et al., "SuSana Distancia is all you need: Enforcing class separability in metric learning via two
        novel distance-based loss functions for few-shot image classification", 2023.
    """
    ops = keras.ops
    z = as_float(check_matrix("embeddings", embeddings))
    labels = check_labels("labels", labels, z.shape[0])
    neighbors = check_integer("neighbors", neighbors, 1, None if z.shape[0] is None else max(1, z.shape[0] - 1))
    distances = euclidean_distances(z, z)
    oneself = equal_pairs(ops.arange(ops.shape(z)[0], dtype="int32"))
    same = equal_pairs(labels)
    out_of_reach = ops.full_like(distances, _LARGE)
    ranked = ops.where(oneself, out_of_reach, distances)
    _, places = ops.top_k(-ops.stop_gradient(ranked), neighbors)
    near = ops.take_along_axis(distances, places, axis=1)
    own = ops.take_along_axis(ops.cast(same, distances.dtype), places, axis=1)
    other = 1.0 - own
    next_class = ops.min(ops.where(same, out_of_reach, distances), axis=1)
    # Where points of two classes fall together, a distance of 0 would divide by 0.
    ratios = near / ops.maximum(next_class, _LEAST)[:, None]
    ratios = ratios / ops.maximum(ops.max(ratios, axis=1, keepdims=True), 1.0)
    within = _mean_of_rows(ratios, own, empty=1.0)
    largest = ops.maximum(ops.max(other * near), _LEAST)
    between = _mean_of_rows(near / largest, other, empty=1.0)
    score = 0.5 * (0.5 * (1.0 - within + between) + ops.mean(own))
    return -ops.log(ops.maximum(score, _LEAST))


def _mean_of_rows(values: Tensor, weights: Tensor, empty: float) -> Tensor:
    """The mean, over rows with any weight, of the weighted mean of a row; `empty` where there is no such row."""
    ops = keras.ops
    counts = ops.sum(weights, axis=1)
    rows = ops.cast(counts > 0, values.dtype)
    means = ops.sum(weights * values, axis=1) / ops.maximum(counts, 1.0)
    total = ops.sum(rows)
    return ops.where(total > 0, ops.sum(means) / ops.maximum(total, 1.0), empty)


@keras.saving.register_keras_serializable(package="keras_ssl")
class ICNNLoss(Configured, keras.losses.Loss):
    """`icnn_loss` of a batch, as a loss of Keras: `y_true` are class numbers, `y_pred` embeddings.

    Args:
        neighbors: k, from 1. Defaults to 4.
        reduction: of the batch's one number. Defaults to that number.
        **kwargs: `name`, `dtype`, as for `keras.losses.Loss`.

    Raises:
        ValueError: if `neighbors` is not a positive integer.

    Example:

    >>> loss = ICNNLoss(neighbors=1)
    >>> round(float(loss(np.array([0, 0, 1, 1]), np.array([[0.0], [1.0], [4.0], [5.0]]))), 4)
    0.0757

    Reference:
        Mendez-Ruiz et al., "SuSana Distancia is all you need: Enforcing class separability in metric learning via two
        novel distance-based loss functions for few-shot image classification", 2023.
    """

    def __init__(
        self,
        neighbors: int = 4,
        reduction: str = "sum_over_batch_size",
        name: str = "icnn_loss",
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, reduction=reduction, **kwargs)
        self.neighbors = check_integer("neighbors", neighbors, 1)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        labels = keras.ops.reshape(keras.ops.cast(y_true, "int32"), (-1,))
        return icnn_loss(y_pred, labels, self.neighbors)
