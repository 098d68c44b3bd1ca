"""Segmentation by classifying the features of patches."""

from collections.abc import Callable

import numpy as np

from keras_ssl.evaluation.dense.mean_iou import mean_iou
from keras_ssl.evaluation.dense.patch_labels import as_pixel_masks, patch_labels, pixel_labels
from keras_ssl.evaluation.knn import check_neighbors, knn_predict
from keras_ssl.evaluation.linear_probe import check_probe, linear_predict
from keras_ssl.evaluation.validation import as_feature_maps
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import permutation
from keras_ssl.typing import Tensor

__all__ = ["knn_segmentation", "linear_segmentation"]


def linear_segmentation(
    train_features: Tensor,
    train_masks: Tensor,
    features: Tensor,
    masks: Tensor,
    regularization: float = 1e-3,
    max_iter: int = 500,
    max_patches: int = 20000,
    seed: int = 0,
) -> float:
    """Mean intersection over union of a linear classifier of patches.

    The classifier is that of `linear_probe`, on patches whose label is the most frequent of their pixels. Each pixel of
    the test masks takes the class of its patch, without any smoothing, so that the figure is bounded by how well the
    grid can draw the masks.

    Args:
        train_features: `[N, rows, columns, D]`: those of patches, or of the places of a feature map.
        train_masks: classes of the pixels, integers `[N, H, W]`; -1 is not labeled.
        features: `[M, rows, columns, D]`.
        masks: `[M, H', W']`.
        regularization: as in `linear_probe`. Defaults to 1e-3.
        max_iter: as in `linear_probe`. Defaults to 500.
        max_patches: number of labeled patches that are learned from; of more, as many are drawn. Defaults to 20000.
        seed: of that draw. Defaults to 0.

    Returns:
        `mean_iou` of the pixels, 0 to 1.

    Raises:
        ValueError: if shapes do not fit, a feature is not finite, no patch is labeled, or an argument is out of range.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> features = np.eye(2)[[[[0, 1], [1, 0]]]]
    >>> masks = np.repeat(np.repeat([[[5, 7], [7, 5]]], 4, axis=1), 4, axis=2)
    >>> linear_segmentation(features, masks, features, masks)
    1.0
    """
    check_probe(regularization, max_iter)
    return _segmented(
        train_features,
        train_masks,
        features,
        masks,
        max_patches,
        seed,
        lambda x, y, z: linear_predict(x, y, z, regularization, max_iter),
    )


def knn_segmentation(
    train_features: Tensor,
    train_masks: Tensor,
    features: Tensor,
    masks: Tensor,
    k: int = 20,
    temperature: float = 0.07,
    max_patches: int = 20000,
    seed: int = 0,
) -> float:
    """Mean intersection over union of the nearest neighbors of patches, among patches of training images.

    As `linear_segmentation`, by the vote of `knn_predict`: nothing is trained.

    Args:
        train_features: `[N, rows, columns, D]`.
        train_masks: classes of the pixels, integers `[N, H, W]`; -1 is not labeled.
        features: `[M, rows, columns, D]`.
        masks: `[M, H', W']`.
        k: number of neighbors, at most the labeled patches. Defaults to 20.
        temperature: of their weights. Defaults to 0.07.
        max_patches: as in `linear_segmentation`. Defaults to 20000.
        seed: of the draw of patches. Defaults to 0.

    Returns:
        `mean_iou` of the pixels, 0 to 1.

    Raises:
        ValueError: as `linear_segmentation` and `knn_predict`.

    Example:

    >>> features = np.eye(2)[[[[0, 1], [1, 0]]]]
    >>> masks = np.repeat(np.repeat([[[5, 7], [7, 5]]], 4, axis=1), 4, axis=2)
    >>> knn_segmentation(features, masks, features, masks, k=1)
    1.0

    Reference:
        Balazevic et al., "Towards In-Context Scene Understanding", NeurIPS 2023, https://arxiv.org/abs/2306.01667, for
        segmentation by nearest patches; here with the weights of `knn_predict`.
    """
    check_integer("max_patches", max_patches, 1)
    check_neighbors(k, max_patches, temperature)
    return _segmented(
        train_features,
        train_masks,
        features,
        masks,
        max_patches,
        seed,
        lambda x, y, z: knn_predict(x, y, z, k, temperature),
    )


def as_places(name: str, features: Tensor, mask_name: str, masks: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Features `[N, rows, columns, D]` and masks `[N, H, W]` of as many images.

    Raises:
        ValueError: if they are something else.
    """
    maps, pixels = as_feature_maps(name, features), as_pixel_masks(mask_name, masks)
    if len(maps) != len(pixels):
        raise ValueError(
            f"`{name}` and `{mask_name}` must be of as many images. Received: {name}.shape={maps.shape}, "
            f"{mask_name}.shape={pixels.shape}"
        )
    return maps, pixels


def _segmented(
    train_features: Tensor,
    train_masks: Tensor,
    features: Tensor,
    masks: Tensor,
    max_patches: int,
    seed: int,
    predict: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
) -> float:
    max_patches, seed = check_integer("max_patches", max_patches, 1), check_integer("seed", seed, 0)
    train, train_pixels = as_places("train_features", train_features, "train_masks", train_masks)
    test, pixels = as_places("features", features, "masks", masks)
    if train.shape[-1] != test.shape[-1]:
        raise ValueError(
            "`train_features` and `features` must have the same dimension. Received: "
            f"train_features.shape={train.shape}, features.shape={test.shape}"
        )
    labels = patch_labels(train_pixels, train.shape[1:3]).reshape(-1)
    if not (labels != -1).any():
        raise ValueError(
            f"`train_masks` must hold a label other than -1. Received: train_masks.shape={train_pixels.shape}"
        )
    chosen = np.flatnonzero(labels != -1)
    if len(chosen) > max_patches:
        chosen = np.sort(chosen[permutation(len(chosen), seed, 0)[:max_patches]])
    rows = test.reshape(-1, test.shape[-1])
    found = predict(train.reshape(-1, train.shape[-1])[chosen], labels[chosen], rows).reshape(test.shape[:3])
    return mean_iou(pixel_labels(found, *pixels.shape[1:]), pixels)
