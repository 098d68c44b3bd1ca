"""Distillation of feature maps, place by place."""

import keras
import numpy as np

from keras_ssl.losses.numeric import as_float, check_integer, l2_normalize
from keras_ssl.typing import Tensor

__all__ = ["feature_distillation_loss", "resize_grid"]

DISTANCES = ("cosine", "squared")


def feature_distillation_loss(student: Tensor, teacher: Tensor, distance: str = "cosine") -> Tensor:
    """The mean distance of the features of two networks at the same places, of each sample.

    "cosine" is `1 - cos(s_i, t_i)`, "squared" is `||s_i - t_i||^2 / D`; the mean is over places i. No gradient flows to
    the teacher.

    Args:
        student: features, mapped to the teacher's width: a map `[N, H, W, D]`, tokens `[N, S, D]` or features `[N, D]`.
        teacher: of the same shape.
        distance: "cosine" or "squared". Defaults to "cosine".

    Returns:
        float32 `[N]`, not negative.

    Raises:
        ValueError: if the distance is unknown or the shapes differ.

    Example:

    >>> x = np.array([[[1.0, 0.0], [0.0, 2.0]]], "float32")
    >>> float(feature_distillation_loss(x, 3.0 * x)[0]), float(feature_distillation_loss(x, -x)[0])
    (0.0, 2.0)

    Reference: Wang et al., "CycleHOI: Improving Human-Object Interaction Detection with Cycle Consistency of Detection
    and Generation", 2024, whose teacher is the U-Net of a diffusion model.
    """
    if distance not in DISTANCES:
        raise ValueError(f"`distance` must be one of {', '.join(DISTANCES)}. Received: distance={distance!r}")
    shapes = tuple(student.shape), tuple(teacher.shape)
    same = all(a == b or None in (a, b) for a, b in zip(*shapes, strict=False))
    if len(shapes[0]) < 2 or len(shapes[0]) != len(shapes[1]) or not same:
        raise ValueError(
            "Features of student and teacher must be [N, ..., D] of one shape. "
            f"Received: shapes {shapes[0]} and {shapes[1]}"
        )
    ops = keras.ops
    student, teacher = as_float(student), ops.stop_gradient(as_float(teacher, student))
    if distance == "cosine":
        values = 1.0 - ops.sum(l2_normalize(student) * l2_normalize(teacher), axis=-1)
    else:
        values = ops.mean(ops.square(student - teacher), axis=-1)
    places = tuple(range(1, len(values.shape)))
    return ops.mean(values, axis=places) if places else values


def resize_grid(places: Tensor, grid: tuple[int, int], new_grid: tuple[int, int]) -> Tensor:
    """Places of a grid at those of another over the same area, by bilinear interpolation of the places' middles.

    Beyond the outermost middles the nearest counts. A grid of the same size is returned as it is. Nothing is smoothed
    before a grid is made smaller.

    Args:
        places: row by row, `[N, rows * columns, D]`.
        grid: (rows, columns) of `places`.
        new_grid: (rows, columns) of the result.

    Returns:
        `[N, new rows * new columns, D]`.

    Raises:
        ValueError: if a size is not a positive integer, or `grid` does not fit `places`.

    Example:

    >>> line = keras.ops.array([[[0.0], [1.0]]])
    >>> [float(x) for x in keras.ops.reshape(resize_grid(line, (1, 2), (1, 4)), (-1,))]
    [0.0, 0.25, 0.75, 1.0]
    """
    for name, sizes in (("grid", grid), ("new_grid", new_grid)):
        for size in sizes:
            check_integer(name, size, 1)
    if len(places.shape) != 3 or places.shape[1] != grid[0] * grid[1]:
        raise ValueError(
            f"Places must be [N, rows * columns, D]. Received: places.shape={tuple(places.shape)}, grid={tuple(grid)}"
        )
    if tuple(grid) == tuple(new_grid):
        return places
    # As a product of matrices: the two backends' own resizing differs where a grid becomes smaller.
    weights = np.kron(_line(grid[0], new_grid[0]), _line(grid[1], new_grid[1]))
    return keras.ops.matmul(keras.ops.convert_to_tensor(weights, places.dtype), places)


def _line(size: int, new_size: int) -> np.ndarray:
    """Weights `[new_size, size]` of linear interpolation between middles."""
    where = np.clip((np.arange(new_size) + 0.5) * size / new_size - 0.5, 0.0, size - 1.0)
    low = np.minimum(np.floor(where).astype(int), max(size - 2, 0))
    share = where - low
    weights = np.zeros((new_size, size))
    weights[np.arange(new_size), low] += 1.0 - share
    weights[np.arange(new_size), np.minimum(low + 1, size - 1)] += share
    return weights
