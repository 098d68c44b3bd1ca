"""The losses of VICRegL: VICReg of whole images, and of matched places of feature maps."""

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, check_integer, same_shape
from keras_ssl.typing import Tensor

__all__ = ["matched_places", "place_vicreg_terms", "square_distances"]


def square_distances(a: Tensor, b: Tensor) -> Tensor:
    """Squared distances between the places of two maps, `[N, S, R]`; no gradient flows through them.

    Args:
        a: features of places, `[N, S, D]`.
        b: features of places, `[N, R, D]`.
    """
    ops = keras.ops
    a, b = ops.stop_gradient(as_float(a)), ops.stop_gradient(as_float(b, a))
    # Distances do not change when both are moved; near the origin the difference of squares keeps its digits.
    center = ops.mean(b, axis=1, keepdims=True)
    a, b = a - center, b - center
    squares = ops.sum(ops.square(a), axis=2)[:, :, None] + ops.sum(ops.square(b), axis=2)[:, None]
    return ops.maximum(squares - 2.0 * ops.matmul(a, ops.transpose(b, (0, 2, 1))), 0.0)


def matched_places(a: Tensor, b: Tensor, distances: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The places of `a` that have the nearest partners in `b`, and these partners.

    The partner of a place is the place of `b` at the least distance. The `count` places with the nearest partners are
    kept, the nearest first (all, where there are fewer). Of equal distances the first place counts.

    Args:
        a: features of places, `[N, S, D]`.
        b: features of places, `[N, R, D]`.
        distances: of the places of `a` to those of `b`, of any kind, `[N, S, R]`.
        count: number of pairs, at least 1.

    Returns:
        Two tensors `[N, min(count, S), D]`.

    Raises:
        ValueError: if `count` is less than 1.

    Example:

    >>> a, b = np.array([[[0.0], [5.0]]]), np.array([[[4.5], [9.0]]])
    >>> first, second = matched_places(a, b, square_distances(a, b), count=1)
    >>> float(first[0, 0, 0]), float(second[0, 0, 0])
    (5.0, 4.5)

    Reference: Bardes et al., "VICRegL: Self-Supervised Learning of Local Visual Features", NeurIPS 2022.
    """
    ops, count = keras.ops, check_integer("count", count, 1)
    partner, least = ops.argmin(distances, axis=2), ops.min(distances, axis=2)
    best = ops.argsort(least, axis=1)[:, :count]
    partner = ops.take_along_axis(partner, best, axis=1)
    return (
        ops.take_along_axis(ops.convert_to_tensor(a), best[:, :, None], axis=1),
        ops.take_along_axis(ops.convert_to_tensor(b), partner[:, :, None], axis=1),
    )


def place_vicreg_terms(a: Tensor, b: Tensor, epsilon: float = 1e-4) -> tuple[Tensor, Tensor, Tensor]:
    """The three terms of VICReg of pairs of places, unweighted: (invariance, variance, covariance).

    For each of the M pairs of an image by itself, statistics are over the batch, as in `vicreg_loss`: the invariance is
    the mean square of the difference; the variance the mean over both places of `relu(1 - sqrt(S_ii + epsilon))`; the
    covariance the *mean* over both places of `1/D sum_{i != j} S_ij^2` (`vicreg_loss` has the sum), with the unbiased
    covariance S of a pair's place over the batch. All are means over the pairs.

    Args:
        a: embeddings of places, `[N, M, D]`, of the whole global batch.
        b: embeddings of their partners, of the same shape.
        epsilon: added to each variance under the root, greater than 0. Defaults to 1e-4.

    Raises:
        ValueError: if the shapes do not fit or `epsilon` is not finite and positive.

    Example:

    >>> z = np.array([[[1.0, 1.0]], [[1.0, -1.0]], [[-1.0, 1.0]], [[-1.0, -1.0]]])
    >>> [float(term) for term in place_vicreg_terms(z, z)]
    [0.0, 0.0, 0.0]

    Reference: Bardes et al., "VICRegL: Self-Supervised Learning of Local Visual Features", NeurIPS 2022.
    """
    check_number("epsilon", epsilon, 0.0, above=True)
    a, b = as_float(a), as_float(b, a)
    if not same_shape(a.shape, b.shape) or len(a.shape) != 3:
        raise ValueError(
            f"`a` and `b` must have one shape [N, M, D]. Received: a.shape={tuple(a.shape)}, b.shape={tuple(b.shape)}"
        )
    ops = keras.ops
    invariance = ops.mean(ops.square(a - b))
    (variance1, covariance1), (variance2, covariance2) = (_spread(z, epsilon) for z in (a, b))
    return invariance, 0.5 * (variance1 + variance2), 0.5 * (covariance1 + covariance2)


def _spread(z: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """The hinge on the standard deviations, and the mean square covariance of a dimension with all others."""
    ops = keras.ops
    centered = z - ops.mean(z, axis=0, keepdims=True)
    freedom = ops.maximum(ops.cast(ops.shape(z)[0], z.dtype) - 1.0, 1.0)
    deviation = ops.sqrt(ops.sum(ops.square(centered), axis=0) / freedom + epsilon)
    by_place = ops.transpose(centered, (1, 2, 0))
    covariance = ops.matmul(by_place, ops.transpose(by_place, (0, 2, 1))) / freedom
    off_diagonal = covariance * (1.0 - ops.eye(z.shape[2], dtype=z.dtype))
    return ops.mean(ops.relu(1.0 - deviation)), ops.mean(ops.sum(ops.square(off_diagonal), axis=(1, 2))) / z.shape[2]
