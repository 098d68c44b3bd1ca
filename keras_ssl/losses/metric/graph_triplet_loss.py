"""The triplet loss of pairs that a graph gives, with negatives from its other components."""

import keras

from keras_ssl.losses.metric.checks import check_finite_number, check_labels, check_matrix
from keras_ssl.losses.numeric import check_integer, check_pair, l2_normalize
from keras_ssl.losses.view_similarities import equal_pairs
from keras_ssl.typing import Tensor

__all__ = ["graph_triplet_loss"]


def graph_triplet_loss(
    z1: Tensor, z2: Tensor, components: Tensor, margin: float = 0.5, negatives: int | None = None
) -> Tensor:
    r"""Each anchor is nearer to its positive than to samples of other components, by a margin of cosine distance.

    With `D(a, b) = 1 - cos(a, b)`, row i of `z1` as anchor, row i of `z2` as its positive, and the negatives n, rows of
    both views whose component is another:

    `mean_i mean_n max(0, D(z1_i, z2_i) - D(z1_i, n) + margin)`.

    The inner mean is over all negatives, or over the `negatives` nearest ones; the outer over the anchors that have
    any.

    Args:
        z1: embeddings of the anchors, `[N, D]`; L2-normalized here.
        z2: embeddings of their positives, `[N, D]`.
        components: the connected component of each pair in the graph, integers `[N]`. A negative number is a component
            of its own.
        margin: finite, a distance. Defaults to 0.5.
        negatives: how many of the nearest negatives count. Defaults to None: all.

    Returns:
        A scalar; 0 where there is no negative.

    Raises:
        ValueError: if shapes do not fit, `components` are not integers or a number is out of range.

    Example:

    >>> z1, z2 = np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[0.8, 0.6], [0.0, 1.0]])
    >>> round(float(graph_triplet_loss(z1, z2, np.array([0, 1]), margin=1.0)), 4)
    0.25

    Reference:
        Wang et al., "Transitive Invariance for Self-supervised Visual Representation Learning", ICCV 2017.
    """
    check_finite_number("margin", margin)
    ops = keras.ops
    z1, z2 = check_matrix("z1", z1), check_matrix("z2", z2)
    check_pair(z1, z2)
    z1, z2 = l2_normalize(z1), l2_normalize(z2, z1)
    components = ops.cast(check_labels("components", components, z1.shape[0]), "int32")
    everything = ops.matmul(z1, ops.transpose(ops.concatenate([z1, z2], axis=0)))
    known = components >= 0
    related = ops.logical_and(equal_pairs(components), ops.logical_and(known[:, None], known[None, :]))
    related = ops.logical_or(related, equal_pairs(ops.arange(ops.shape(z1)[0], dtype="int32")))
    other = ops.logical_not(ops.concatenate([related, related], axis=1))
    positive = ops.sum(z1 * z2, axis=1, keepdims=True)
    hinge = ops.relu(everything - positive + margin)
    weights = ops.cast(other, hinge.dtype)
    if negatives is not None:
        size = everything.shape[1]
        count = check_integer("negatives", negatives, 1)
        ranked = ops.stop_gradient(ops.where(other, everything, ops.full_like(everything, -1e9)))
        _, places = ops.top_k(ranked, count if size is None else min(count, size))
        hinge, weights = (ops.take_along_axis(each, places, axis=1) for each in (hinge, weights))
    found = ops.sum(weights, axis=1)
    losses = ops.sum(weights * hinge, axis=1) / ops.maximum(found, 1.0)
    return ops.sum(losses) / ops.maximum(ops.sum(ops.cast(found > 0, losses.dtype)), 1.0)
