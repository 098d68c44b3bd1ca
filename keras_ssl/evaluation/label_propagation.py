"""Label propagation in video: whether dense features find the same place again in the next frame."""

import numpy as np

from keras_ssl.evaluation.find_neighbors import nearest_columns
from keras_ssl.evaluation.validation import as_feature_maps, is_labeled, l2_normalized
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.typing import Tensor


def label_propagation(
    features: Tensor,
    first_labels: Tensor,
    context: int = 7,
    k: int = 5,
    radius: int | None = 12,
    temperature: float = 0.1,
) -> np.ndarray:
    r"""Carries the labels of the first frame through a video by similarity of dense features.

    Every place of a frame looks for its `k` most similar places (cosine similarity s) in the first frame and in
    the `context` frames before its own, no further away than `radius` rows and columns, and takes the mean of
    their labels, weighted by

    .. math:: \frac{\exp(s_j / \tau)}{\sum_{j'} \exp(s_{j'} / \tau)}.

    Labels are carried as shares of classes, and earlier frames enter with the labels they were given. Nothing is
    trained. The search is exact; of equally similar places the one of the earliest frame, then the first row and
    column, is taken. A feature of zeros has similarity 0 to everything. Beside the features, one row of places times
    its window in all context frames is in memory.

    Args:
        features: of T frames in order, `[T, H, W, D]`, any floating type; computed in float32 (float64 stays
            float64). Any H x W will do, for instance the patches of a vision transformer.
        first_labels: of the first frame, at the features' resolution: integers `[H, W]` (-1: unlabeled), or shares
            of C classes (or heat maps of C joints) `[H, W, C]`.
        context: frames before its own that a frame looks at, beside the first. Defaults to 7.
        k: places that vote; all of the window where it holds fewer. Defaults to 5.
        radius: half the width of the window, in places; 0 is the place itself, `None` the whole frame. Defaults
            to 12.
        temperature: `tau`. Defaults to 0.1.

    Returns:
        Integers `[T, H, W]` for integers (of equal shares the smallest label, -1 where nothing labelled was near),
        float64 `[T, H, W, C]` for shares.
        The first frame is as given.

    Raises:
        ValueError: if shapes do not fit, a feature is NaN or infinite (its place is named), or another argument is
            out of range.

    Example:

    >>> place = np.eye(4)[np.arange(4)][np.newaxis]  # four places in one row, each different
    >>> frames = np.stack([place, np.roll(place, 1, axis=1)])  # which move to the right
    >>> label_propagation(frames, [[0, 7, 0, 0]], temperature=0.01)[1].tolist()
    [[0, 0, 7, 0]]

    Reference:
        McKee et al., "Transfer of Representations to Video Label Propagation: Implementation Factors Matter", 2022;
        with these defaults: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021.
    """
    maps = as_feature_maps("features", features)
    labels = np.asarray(first_labels)
    grid = maps.shape[1:3]
    if labels.shape[:2] != grid or labels.ndim not in (2, 3) or labels.size == 0:
        raise ValueError(
            f"Argument `first_labels` must be [H, W] or [H, W, C] with the features' H and W, {grid}. "
            f"Received: first_labels.shape={labels.shape}"
        )
    whole = labels.ndim == 2
    if labels.dtype.kind not in ("biu" if whole else "biuf") or not np.isfinite(labels).all():
        wanted = "integers [H, W]" if whole else "finite numbers [H, W, C]"
        raise ValueError(f"Argument `first_labels` must be {wanted}. Received: first_labels.dtype={labels.dtype}")
    context, k = check_integer("context", context, 0), check_integer("k", k, 1)
    radius = max(grid) if radius is None else check_integer("radius", radius, 0)
    check_positive("temperature", temperature)

    classes = np.unique(labels[is_labeled(labels)]) if whole else None
    if classes is not None and not len(classes):
        raise ValueError("Argument `first_labels` must hold a label other than -1 (unlabeled). Received: -1 alone")
    # A place without a label has a share of no class: it votes for none.
    first = labels.astype(np.float64) if classes is None else (labels[..., np.newaxis] == classes).astype(np.float64)
    unit = l2_normalized(maps.reshape(-1, maps.shape[-1])).reshape(maps.shape)
    shares = np.zeros((len(maps), *first.shape))
    shares[0] = first
    for frame in range(1, len(maps)):
        earlier = sorted({0, *range(max(0, frame - context), frame)})
        for row in range(grid[0]):
            rows = slice(max(0, row - radius), row + radius + 1)
            shares[frame, row] = _row(
                unit[frame, row], unit[earlier, rows], shares[earlier, rows], k, radius, temperature
            )
    if classes is None:
        return shares
    found = classes[shares.argmax(axis=-1)]
    return np.where(shares.any(axis=-1), found, -1) if labels.dtype.kind == "i" else found


def _row(
    queries: np.ndarray, keys: np.ndarray, labels: np.ndarray, k: int, radius: int, temperature: float
) -> np.ndarray:
    """The labels `[W, C]` of one row of features `[W, D]`, from windows `[F, R, W, D]` and their labels."""
    columns = np.arange(len(queries))
    similarity = np.einsum("qd,frwd->qfrw", queries, keys, optimize=True)
    outside = np.abs(columns[:, np.newaxis] - columns) > radius
    similarity = np.where(outside[:, np.newaxis, np.newaxis], -np.inf, similarity).reshape(len(queries), -1)
    nearest = nearest_columns(similarity, min(k, similarity.shape[1]))
    near = np.take_along_axis(similarity, nearest, axis=1).astype(np.float64)
    weights = np.exp((near - near.max(axis=1, keepdims=True)) / temperature)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("qk,qkc->qc", weights, labels.reshape(-1, labels.shape[-1])[nearest])
