"""Patches of an image that do not belong together: affinities, the smaller cluster, and maps that agree with them."""

from collections.abc import Sequence

import keras

from keras_ssl.losses.numeric import as_float, check_integer, l2_normalize
from keras_ssl.typing import Tensor

__all__ = ["inter_patch_consistency_loss", "multi_source_consistency_loss", "patch_affinity", "smaller_cluster"]

_ALIKE = 1e-8  # squared distance of two rows of affinities below which an image has one cluster


def patch_affinity(features: Tensor) -> Tensor:
    """How alike the patches of an image are, `(1 + cos(f_i, f_j)) / 2`.

    Args:
        features: of the S patches of each image, `[N, S, D]`; a map `[N, H, W, D]` is read row by row.

    Returns:
        float32 `[N, S, S]` in [0, 1], symmetric, with a diagonal of ones. Reshaped to `[N, H, W, H, W]` it is the
        volume of the paper.

    Example:

    >>> features = keras.ops.array([[[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]])
    >>> [[round(float(number), 2) for number in row] for row in patch_affinity(features)[0]]
    [[1.0, 1.0, 0.5], [1.0, 1.0, 0.5], [0.5, 0.5, 1.0]]

    Reference: Zhai et al., "Towards Generic Image Manipulation Detection with Weakly-Supervised Self-Consistency
    Learning", ICCV 2023, https://arxiv.org/abs/2309.01246.
    """
    ops = keras.ops
    if len(features.shape) == 4:
        features = ops.reshape(features, (-1, features.shape[1] * features.shape[2], features.shape[3]))
    unit = l2_normalize(features)
    alike = 0.5 * (1.0 + ops.matmul(unit, ops.transpose(unit, (0, 2, 1))))
    same = ops.eye(alike.shape[1], dtype=alike.dtype)
    return alike * (1.0 - same) + same


def smaller_cluster(affinity: Tensor, iterations: int = 10) -> Tensor:
    """Marks the patches of the smaller of two clusters of an image: what may have been pasted into it.

    2-means on the rows of the affinity. It starts from the two patches that are least alike. Of two clusters of one
    size, it marks that of the patch which comes later of these two. Where the two rows are equal, nothing is marked.

    Args:
        affinity: of `patch_affinity`, `[N, S, S]`; no gradient flows into it.
        iterations: of 2-means, at least 1. Defaults to 10.

    Returns:
        float32 `[N, S]`, 1 for a marked patch, else 0.

    Raises:
        ValueError: if `iterations` is no positive integer.

    Example:

    >>> features = keras.ops.array([[[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [1.0, 0.2]]])
    >>> [float(mark) for mark in smaller_cluster(patch_affinity(features))[0]]
    [0.0, 0.0, 1.0, 0.0]

    Reference: as for `patch_affinity`.
    """
    check_integer("iterations", iterations, 1)
    ops = keras.ops
    rows = ops.stop_gradient(as_float(affinity))
    count = rows.shape[1]
    least = ops.argmin(ops.reshape(rows, (-1, count * count)), axis=1)
    first, second = (
        ops.take_along_axis(rows, ops.cast(place, "int32")[:, None, None], axis=1)
        for place in (least // count, least % count)
    )
    apart = ops.cast(ops.sum(ops.square(first - second), axis=(1, 2)) > _ALIKE, rows.dtype)[:, None]
    # The pair is found in both orders, and argmin takes the one whose first patch comes earlier.
    marked = ops.zeros_like(rows[:, :, 0])
    for _ in range(iterations):
        to_first, to_second = (ops.sum(ops.square(rows - center), axis=2) for center in (first, second))
        marked = ops.cast(to_second < to_first, rows.dtype)
        first, second = (
            ops.sum(part[:, :, None] * rows, axis=1, keepdims=True)
            / ops.maximum(ops.sum(part, axis=1)[:, None, None], 1.0)
            for part in (1.0 - marked, marked)
        )
    small = ops.sum(marked, axis=1, keepdims=True) <= 0.5 * count
    return ops.where(small, marked, 1.0 - marked) * apart


def inter_patch_consistency_loss(maps: Tensor, affinity: Tensor, norm: str = "l1") -> Tensor:
    """How far a map of what is pasted is from the affinities: `mean |a_ij - (1 - |m_i - m_j|)|`.

    Two patches of one value in the map should be alike, and two of different values should not.

    Args:
        maps: values in [0, 1], `[N, S]` or `[N, H, W]`; 1 is pasted.
        affinity: of `patch_affinity`, `[N, S, S]`.
        norm: "l1" (default) or "l2": the mean of squares.

    Returns:
        float32 `[N]`, a mean over pairs of patches; 0 for a constant map of an image whose patches are all alike.

    Raises:
        ValueError: if `norm` is unknown or the numbers of patches differ.

    Example:

    >>> affinity = keras.ops.array([[[1.0, 0.0], [0.0, 1.0]]])
    >>> [float(inter_patch_consistency_loss(keras.ops.array([m]), affinity)[0]) for m in ([0.0, 1.0], [0.0, 0.0])]
    [0.0, 0.5]

    Reference: as for `patch_affinity`.
    """
    if norm not in ("l1", "l2"):
        raise ValueError(f'`norm` must be "l1" or "l2". Received: norm={norm!r}')
    ops = keras.ops
    maps = _flat(maps)
    affinity = ops.cast(ops.convert_to_tensor(affinity), maps.dtype)
    if tuple(affinity.shape[1:]) != (maps.shape[1], maps.shape[1]):
        raise ValueError(
            "`affinity` must be [N, S, S] for maps of S patches. "
            f"Received: affinity.shape={tuple(affinity.shape)} for {maps.shape[1]} patches"
        )
    agreement = 1.0 - ops.abs(maps[:, :, None] - maps[:, None, :])
    difference = affinity - agreement
    return ops.mean(ops.abs(difference) if norm == "l1" else ops.square(difference), axis=(1, 2))


def multi_source_consistency_loss(maps: Sequence[Tensor]) -> Tensor:
    """Streams that see different cues teach one another: each map follows the mean of the others.

    The mean over streams and patches of `(m_s - mean of the others)^2`. No gradient flows into the mean.

    Args:
        maps: of at least two streams, values in [0, 1], `[N, S]` or `[N, H, W]` each.

    Returns:
        float32 `[N]`: 0 where the maps are equal.

    Raises:
        ValueError: if there are fewer than two maps.

    Example:

    >>> ones, zeros = keras.ops.ones((1, 4)), keras.ops.zeros((1, 4))
    >>> float(multi_source_consistency_loss([ones, zeros])[0]), float(multi_source_consistency_loss([ones, ones])[0])
    (1.0, 0.0)

    Reference: as for `patch_affinity`.
    """
    if len(maps) < 2:
        raise ValueError(f"`maps` must hold the maps of at least two streams. Received: maps={len(maps)} maps")
    ops = keras.ops
    flat = [_flat(each) for each in maps]
    total = sum(flat)
    terms = []
    for each in flat:
        others = ops.stop_gradient((total - each) / float(len(flat) - 1))
        terms.append(ops.mean(ops.square(each - others), axis=1))
    return sum(terms) / float(len(flat))


def _flat(maps: Tensor) -> Tensor:
    maps = as_float(maps)
    return maps if len(maps.shape) == 2 else keras.ops.reshape(maps, (-1, maps.shape[1] * maps.shape[2]))
