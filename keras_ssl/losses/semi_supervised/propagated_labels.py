"""A pseudo-label that takes in the labels of its neighbors, by label propagation."""

import math

import keras

from keras_ssl.losses.numeric import as_float, check_shape
from keras_ssl.typing import Tensor

__all__ = ["propagated_labels"]

_REST = 1e-8  # what is left out of the series


def propagated_labels(
    features: Tensor, labels: Tensor, alpha: float = 0.1, temperature: float = 0.1, present: Tensor | None = None
) -> Tensor:
    """Label propagation on a small graph for each sample: `(1 - alpha) (I - alpha A)^-1 labels`.

    The nodes of a graph are a sample and its neighbors. `A` is the softmax over the other nodes of
    `cosine / temperature`, with zeros on the diagonal, so its rows sum to 1, and so do those of the result where those
    of `labels` do. The inverse is computed as the series of its powers, to float precision.

    Args:
        features: unit vectors, `[N, M, D]`.
        labels: distributions over K classes, `[N, M, K]`.
        alpha: how much a node takes from its neighbors, in [0, 1). Defaults to 0.1, that of the authors' code; 0
            returns the labels.
        temperature: positive. Defaults to 0.1, that of the authors' code.
        present: false for nodes that nothing is taken from, `[N, M]`. Defaults to None: all are taken from. A sample
            without a neighbor that is present keeps its labels.

    Returns:
        float32 `[N, M, K]`, without gradient.

    Raises:
        ValueError: if `alpha` or `temperature` is out of range, or the shapes do not fit.

    Example:

    >>> features = keras.ops.array([[[1.0, 0.0], [1.0, 0.0]]])
    >>> labels = keras.ops.array([[[0.5, 0.5], [1.0, 0.0]]])
    >>> round(float(propagated_labels(features, labels, alpha=0.5)[0, 0, 0]), 4)
    0.6667

    Reference: Zheng et al., "SimMatchV2: Semi-Supervised Learning with Graph Consistency", ICCV 2023.
    """
    if not 0.0 <= alpha < 1.0:
        raise ValueError(f"`alpha` must lie in [0, 1). Received: alpha={alpha}")
    if not 0.0 < temperature < float("inf"):
        raise ValueError(f"`temperature` must be greater than 0 and finite. Received: temperature={temperature}")
    check_shape("labels", labels, (*features.shape[:2], None))
    if present is not None:
        check_shape("present", present, features.shape[:2])
    ops = keras.ops
    features, labels = ops.stop_gradient(as_float(features)), ops.stop_gradient(as_float(labels, features))
    if alpha == 0.0:
        return labels
    count = features.shape[1]
    open_edges = ops.logical_not(ops.eye(count, dtype="bool"))[None]
    if present is not None:
        open_edges = ops.logical_and(open_edges, ops.cast(present, "bool")[:, None, :])
    scores = ops.matmul(features, ops.transpose(features, (0, 2, 1))) / temperature
    scores = ops.where(open_edges, scores, ops.full_like(scores, -1e9))
    edges = ops.softmax(scores, axis=-1) * ops.cast(open_edges, scores.dtype)
    # A node without neighbors is its own, or it would lose (1 - alpha) of its label.
    lonely = 1.0 - ops.sum(edges, axis=-1, keepdims=True)
    edges = edges + lonely * ops.eye(count, dtype=edges.dtype)[None]
    power, result = alpha * edges, labels
    # (I - P)^-1 = (I + P)(I + P^2)(I + P^4)...
    for _ in range(max(1, math.ceil(math.log2(math.log(_REST) / math.log(alpha))))):
        result = result + ops.matmul(power, result)
        power = ops.matmul(power, power)
    return (1.0 - alpha) * result
