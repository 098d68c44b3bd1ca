"""The foreground of images by the features of their patches, or by attention."""

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.validation import as_feature_maps, l2_normalized
from keras_ssl.typing import Tensor

__all__ = ["attention_foreground", "token_cut"]

_WEAK = 1e-5  # the weight of an edge between unlike patches


def token_cut(features: Tensor, threshold: float = 0.2) -> np.ndarray:
    r"""Finds one object in each image by a normalized cut of the graph of its patches (TokenCut).

    Patches are joined with weight 1 where their cosine similarity is above `threshold`, else 1e-5. The generalized
    eigenvector of the second smallest eigenvalue of `(D - W) v = \lambda D v` is cut at its mean; the foreground is the
    side that holds its largest entry in size, of which the connected region around that entry is kept.

    Args:
        features: `[N, rows, columns, D]`.
        threshold: -1 to 1. Defaults to 0.2, the paper's for DINO.

    Returns:
        booleans `[N, rows, columns]`; nowhere true in images whose patches are all alike.

    Raises:
        ValueError: if features are not finite, or the threshold is out of range.

    Example:

    >>> features = np.eye(2)[[[[0, 0, 0], [0, 1, 0]]]]
    >>> token_cut(features).astype(int).tolist()
    [[[0, 0, 0], [0, 1, 0]]]

    Reference:
        Wang et al., "TokenCut: Segmenting Objects in Images and Videos with Self-supervised Transformer and Normalized
        Cut", https://arxiv.org/abs/2209.00383.
    """
    maps = as_feature_maps("features", features)
    threshold = check_number("threshold", threshold, -1.0, 1.0)
    found = np.zeros(maps.shape[:3], bool)
    for number, places in enumerate(maps):
        unit = l2_normalized(places.reshape(-1, places.shape[-1]).astype(np.float64))
        weights = np.where(unit @ unit.T > threshold, 1.0, _WEAK)
        if len(unit) < 2 or (weights == weights[0, 0]).all():
            continue
        scale = 1 / np.sqrt(weights.sum(axis=1))
        _, vectors = np.linalg.eigh(np.eye(len(unit)) - scale[:, np.newaxis] * weights * scale)
        vector = (scale * vectors[:, 1]).reshape(places.shape[:2])
        seed = np.unravel_index(np.abs(vector).argmax(), vector.shape)
        side = (vector > vector.mean()) == (vector[seed] > vector.mean())
        found[number] = _connected(side, (int(seed[0]), int(seed[1])))
    return found


def attention_foreground(attention: Tensor, mass: float = 0.6) -> np.ndarray:
    """The places that hold a share of the attention, the strongest first.

    Args:
        attention: not negative, `[N, rows, columns]`: that of a class token, of a head or the mean of several.
        mass: share of the sum that the places hold at least, above 0, at most 1. Defaults to 0.6.

    Returns:
        booleans `[N, rows, columns]`.

    Raises:
        ValueError: if the attention is negative, not finite or nowhere above 0 in an image, or `mass` is out of range.

    Example:

    >>> attention_foreground([[[0.1, 0.5, 0.4]]]).tolist()
    [[[False, True, True]]]

    Reference:
        Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021,
        https://arxiv.org/abs/2104.14294.
    """
    array = np.asarray(attention, np.float64)
    mass = check_number("mass", mass, 0.0, 1.0, above=True)
    if array.ndim != 3 or array.size == 0 or not np.isfinite(array).all() or (array < 0).any():
        raise ValueError(
            f"`attention` must be finite, not negative, [N, rows, columns]. Received: attention.shape={array.shape}"
        )
    flat = array.reshape(len(array), -1)
    total = flat.sum(axis=1, keepdims=True)
    if not (total > 0).all():
        raise ValueError(f"`attention` must be above 0 somewhere. Received: image {int((total[:, 0] <= 0).argmax())}")
    order = np.argsort(-flat, axis=1, kind="stable")
    held = np.cumsum(np.take_along_axis(flat, order, axis=1), axis=1) / total
    # Up to and with the place that reaches the share.
    kept = np.concatenate([np.ones((len(flat), 1), bool), held[:, :-1] < mass - 1e-12], axis=1)
    found = np.zeros(flat.shape, bool)
    np.put_along_axis(found, order, kept, axis=1)
    return found.reshape(array.shape)


def _connected(region: np.ndarray, seed: tuple[int, int]) -> np.ndarray:
    """The places of a region that are reached from `seed` over shared sides."""
    reached = np.zeros_like(region)
    waiting = [seed]
    while waiting:
        row, column = waiting.pop()
        inside = 0 <= row < region.shape[0] and 0 <= column < region.shape[1]
        if inside and region[row, column] and not reached[row, column]:
            reached[row, column] = True
            waiting += [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
    return reached
