"""Checks that the measures of this package share."""

import numpy as np

from keras_ssl.data.from_arrays import check_finite
from keras_ssl.data.one_label_each import one_label_each
from keras_ssl.typing import Tensor

_PART = 2**14  # rows that are looked at together


def as_images(name: str, images: Tensor) -> np.ndarray:
    """A batch of images as an array `[N, ...]` in its own type; a memory-mapped one is not read into memory.

    Raises:
        ValueError: if there is no batch axis, no image, or an image holds NaN or infinity (its number is named).
    """
    array = np.asanyarray(images)
    if array.ndim < 2 or len(array) == 0:
        raise ValueError(f"Argument `{name}` must be a batch of images. Received: {name}.shape={array.shape}")
    check_finite(name, array)
    return array


def as_features(name: str, features: Tensor, least: int = 1) -> np.ndarray:
    """Features as a finite array `[N, D]` of float32, or of float64 where they are that.

    Args:
        name: the argument's name, for messages.
        features: array or tensor of numbers.
        least: the fewest samples that will do. Defaults to 1.

    Raises:
        ValueError: if the rank is not 2, an axis is empty, there are too few samples, the type is not a number,
            or a row holds NaN or infinity.
    """
    array = np.asarray(features)
    if array.ndim != 2 or array.size == 0 or len(array) < least:
        count = "one sample" if least == 1 else f"{least} samples"
        raise ValueError(
            f"Argument `{name}` must be features [N, D] of at least {count}. Received: {name}.shape={array.shape}"
        )
    if array.dtype != np.float64:
        try:
            array = array.astype(np.float32, copy=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"Argument `{name}` must hold numbers. Received: {name}.dtype={array.dtype}") from error
    check_finite_rows(name, array)
    return array


def check_finite_rows(name: str, features: np.ndarray, first: int = 0) -> None:
    """Raises if a row holds NaN or infinity.

    Args:
        name: the argument's name, for messages.
        features: `[N, D]`, floating.
        first: number of the first row, for messages. Defaults to 0.
    """
    parts = (features[start : start + _PART] for start in range(0, len(features), _PART))
    finite = np.concatenate([np.isfinite(part).all(axis=1) for part in parts])
    if not finite.all():
        raise ValueError(
            f"Argument `{name}` must be finite. Received: {name} with NaN or infinity in row "
            f"{first + int(finite.argmin())} ({int((~finite).sum())} such rows)"
        )


def as_feature_maps(name: str, features: Tensor) -> np.ndarray:
    """Dense features of frames as a finite array `[T, H, W, D]` of float32, or of float64 where they are that.

    Raises:
        ValueError: if the rank is not 4, an axis is empty, the type is not a number, or a place holds NaN or
            infinity (its frame, row and column are named).
    """
    array = np.asarray(features)
    if array.ndim != 4 or array.size == 0:
        raise ValueError(
            f"Argument `{name}` must be features of frames [T, H, W, D]. Received: {name}.shape={array.shape}"
        )
    try:
        flat = as_features(name, array.reshape(-1, array.shape[-1]))
    except ValueError as error:
        if array.dtype.kind not in "fc" or np.isfinite(array).all():
            raise
        bad = ~np.isfinite(array).all(axis=-1)
        frame, row, column = (int(index) for index in np.argwhere(bad)[0])
        raise ValueError(
            f"Argument `{name}` must be finite. Received: {name} with NaN or infinity in frame {frame}, row {row}, "
            f"column {column} ({int(bad.sum())} such places)"
        ) from error
    return flat.reshape(array.shape)


def as_masks(name: str, masks: Tensor, other_name: str, other: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Two boolean arrays `[..., H, W]` of one shape.

    Raises:
        ValueError: if the shapes differ or hold no image, or the values are not truth values (booleans, 0 and 1).
    """
    first, second = np.asarray(masks), np.asarray(other)
    if first.shape != second.shape or first.ndim < 2 or first.size == 0:
        raise ValueError(
            f"Arguments `{name}` and `{other_name}` must be masks [..., H, W] of one shape. Received: "
            f"{name}.shape={first.shape}, {other_name}.shape={second.shape}"
        )
    for argument, array in ((name, first), (other_name, second)):
        if array.dtype.kind not in "biuf" or not np.isin(array, (0, 1)).all():
            raise ValueError(
                f"Argument `{argument}` must hold booleans, or 0 and 1. Received: {argument}.dtype={array.dtype}"
            )
    return first.astype(bool), second.astype(bool)


def as_labels(name: str, labels: Tensor, count: int) -> np.ndarray:
    """Labels `[count]` or `[count, 1]` as an array `[count]` of integers or strings.

    Raises:
        ValueError: if there are not `count` of them, or they are not one class each.
    """
    array = one_label_each(name, np.asarray(labels))
    if array.shape != (count,):
        raise ValueError(
            f"Argument `{name}` must hold one label for each of the {count} rows of features. "
            f"Received: {name}.shape={array.shape}"
        )
    if array.dtype.kind == "O" and len({type(label) for label in array}) == 1 and isinstance(array[0], str | int):
        array = np.array(array.tolist())  # as pandas holds strings
    if array.dtype.kind not in "biuUS":
        raise ValueError(f"Argument `{name}` must hold integers or strings. Received: {name}.dtype={array.dtype}")
    return array


def is_labeled(labels: np.ndarray) -> np.ndarray:
    """Which samples have a label, bool of the same shape: -1 is no class but "unlabeled", as in `fit`."""
    return labels != -1 if labels.dtype.kind == "i" else np.ones(labels.shape, bool)


def labeled_only(
    name: str, samples: np.ndarray, label_name: str, labels: Tensor, required: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """The samples that have a label, and their labels: those of -1 take no part in learning or scoring.

    The one place where this package leaves them out.

    Args:
        name: the samples' argument, for messages.
        samples: features or images that are checked already, `[N, ...]`.
        label_name: the labels' argument, for messages.
        labels: integers or strings, `[N]` or `[N, 1]`.
        required: whether one sample at least must have a label. Defaults to True.

    Raises:
        ValueError: as `as_labels`; or if no sample has a label and one is required.
    """
    array = as_labels(label_name, labels, len(samples))
    has_label = is_labeled(array)
    if has_label.all():
        return samples, array
    if required and not has_label.any():
        raise ValueError(
            f"Argument `{label_name}` must hold a label other than -1 (unlabeled). "
            f"Received: {label_name} with {len(array)} of {len(array)} unlabeled for `{name}`"
        )
    return samples[has_label], array[has_label]


def same_width(name: str, features: np.ndarray, other_name: str, other: np.ndarray) -> None:
    """Raises if two sets of features differ in their dimension."""
    if features.shape[1] != other.shape[1]:
        raise ValueError(
            f"Arguments `{name}` and `{other_name}` must have the same dimension. Received: "
            f"{name}.shape={features.shape}, {other_name}.shape={other.shape}"
        )


def l2_normalized(features: np.ndarray) -> np.ndarray:
    """Rows divided by their Euclidean norm; rows of zeros stay zeros."""
    # Scaling by the largest entry first keeps the squares of huge or tiny numbers in range. No array but the
    # result is as large as the features: of half a million that would be gigabytes.
    largest = np.maximum(features.max(axis=1, keepdims=True), -features.min(axis=1, keepdims=True))
    scaled = features / np.where(largest > 0, largest, 1)
    norm = np.sqrt(np.einsum("nd,nd->n", scaled, scaled))[:, np.newaxis]
    scaled /= np.where(norm > 0, norm, 1)
    return scaled
