"""The scale of pixels: the one rule by which images become numbers in [0, 1].

The dtype decides, or a declared range; never the values of a batch, because an image has one meaning, whatever the
images beside it are:

- uint8 is 0 to 255 and uint16 is 0 to 65535;
- floats lie in [0, 1];
- with `value_range=(low, high)`, `low` is 0 and `high` is 1, of any type;
- with `value_range=(-inf, inf)` (`ANY_VALUE`) values are taken as they are, and none is outside: measurements in units
  of their own, whose mean and standard deviation are in these units too;
- other integers and booleans have no scale of their own: they are an error without a range.

Values outside their range are an error where they can be read (`check_pixels`). In compiled code, which cannot raise,
the whole sample becomes NaN (`inside`, `nan_unless`), so that no result looks like one.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ssl.typing import Tensor

Range = tuple[float, float]

TOLERANCE = 1e-3
"""By how much of its width values may leave a range: rounding, and what interpolation overshoots."""

_BLOCK = 2**24  # numbers checked at a time, which keeps a mapped file out of memory
_LARGEST = {"uint8": 255.0, "uint16": 65535.0}


ANY_VALUE: Range = (float("-inf"), float("inf"))
"""The range of values that are taken as they are."""


def check_value_range(value_range: Sequence[float] | None, unbounded: bool = False) -> Range | None:
    """The range `(low, high)` as two floats, or None.

    Args:
        value_range: what to check.
        unbounded: whether it may be `ANY_VALUE`. Defaults to False.

    Raises:
        ValueError: unless it is None or two finite numbers in ascending order.
    """
    if value_range is None:
        return None
    try:
        low, high = (float(value) for value in value_range)
    except (TypeError, ValueError):
        low = high = float("nan")
    if unbounded and (low, high) == ANY_VALUE:
        return ANY_VALUE
    if not (np.isfinite([low, high]).all() and low < high):
        raise ValueError(
            "`value_range` must be None or two finite numbers, the lowest value and the highest. "
            f"Received: value_range={value_range!r}"
        )
    return low, high


def range_of(dtype: str, value_range: Range | None = None) -> Range:
    """The range of values that stands for [0, 1] in images of a type.

    Args:
        dtype: name of the images' type.
        value_range: the declared range; None (default) leaves it to the type.

    Raises:
        ValueError: for a type that has no scale of its own.

    Example:

    >>> range_of("uint8"), range_of("float32"), range_of("int16", (0.0, 4095.0))
    ((0.0, 255.0), (0.0, 1.0), (0.0, 4095.0))
    """
    if value_range is not None:
        return value_range
    if dtype in _LARGEST:
        return 0.0, _LARGEST[dtype]
    if "float" in dtype:
        return 0.0, 1.0
    raise ValueError(
        "Images must be uint8 (0 to 255), uint16 (0 to 65535) or floating (0 to 1): cast them to uint8, or declare the "
        f"range of their values by `value_range=(low, high)`. Received: images.dtype={dtype}"
    )


def to_unit_range(images: Tensor, value_range: Range | None = None) -> Tensor:
    """Images as float32 in [0, 1]; values are not checked.

    Raises:
        ValueError: for a type that has no scale of its own, without a `value_range`.
    """
    images = ops.convert_to_tensor(images)
    low, high = range_of(keras.backend.standardize_dtype(images.dtype), value_range)
    unit = ops.cast(images, "float32")
    if (low, high) == ANY_VALUE:
        return unit
    if low != 0.0:
        unit = unit - np.float32(low)
    return unit if high - low == 1.0 else unit * np.float32(1.0 / (high - low))


def from_unit_range(images: Tensor, dtype: str, value_range: Range | None = None) -> Tensor:
    """Images in [0, 1] on the scale of images of type `dtype`, as float32: the inverse of `to_unit_range`."""
    low, high = range_of(dtype, value_range)
    if (low, high) == ANY_VALUE:
        return images
    scaled = images if high - low == 1.0 else images * np.float32(high - low)
    return scaled if low == 0.0 else scaled + np.float32(low)


def inside(images: Tensor, value_range: Range | None = None) -> Tensor:
    """Whether all values of each image lie in their range, NaN not counting: booleans `[N]`."""
    images = ops.convert_to_tensor(images)
    low, high = range_of(keras.backend.standardize_dtype(images.dtype), value_range)
    images, slack = ops.cast(images, "float32"), TOLERANCE * (high - low)
    axes = tuple(range(1, len(images.shape)))
    return ops.logical_and(ops.min(images, axis=axes) >= low - slack, ops.max(images, axis=axes) <= high + slack)


def nan_unless(good: Tensor, values: Tensor) -> Tensor:
    """Floating values `[N, ...]`, those of the samples NaN that are not `good`, booleans `[N]`."""
    good = ops.reshape(good, (-1, *[1] * (len(values.shape) - 1)))
    return ops.where(good, values, ops.cast(float("nan"), values.dtype))


def can_leave(dtype: str, value_range: Range | None = None) -> bool:
    """Whether values of a type can lie outside their range at all."""
    low, high = range_of(dtype, value_range)
    return (low, high) != ANY_VALUE and not (dtype in _LARGEST and low <= 0.0 and high >= _LARGEST[dtype])


def check_pixels(name: str, images: Any, value_range: Range | None = None) -> None:
    """Raises if images have no scale, or values outside it; arrays of numpy are read block by block.

    NaN is left to the checks for it.

    Args:
        name: the argument's name, for messages.
        images: array or tensor `[N, ...]`.
        value_range: the declared range, or None.

    Raises:
        ValueError: naming the first such sample, its value and the remedy.

    Example:

    >>> check_pixels("x", np.zeros((2, 8, 8, 3), "uint8"))
    """
    dtype = str(images.dtype) if isinstance(images, np.ndarray) else keras.backend.standardize_dtype(images.dtype)
    low, high = range_of(dtype, value_range)
    if not can_leave(dtype, value_range):
        return
    slack = TOLERANCE * (high - low)
    rows = max(1, _BLOCK // max(1, int(np.prod(images.shape[1:]))))
    for start in range(0, len(images), rows):
        least, most = _extremes(images[start : start + rows])
        bad = (least < low - slack) | (most > high + slack)
        if not bad.any():
            continue
        place = int(bad.argmax())
        value = least[place] if least[place] < low - slack else most[place]
        remedy = (
            "Floating images must lie in [0, 1]: divide them by the largest value that there can be (255 for 8 bits), "
            "or declare the range of their values by `value_range=(low, high)`."
            if value_range is None
            else f"Images must lie in their `value_range`, ({low:g}, {high:g})."
        )
        raise ValueError(f"{remedy} Received: {name} with the value {float(value):g} in sample {start + place}")


def check_batched(name: str, inputs: Any, rank: int) -> None:
    """Raises if inputs are a single sample where a batch of so many dimensions is due, which Keras does not say.

    Raises:
        ValueError: if there is one dimension too few.
    """
    if len(inputs.shape) == rank - 1:
        raise ValueError(
            f"`{name}` must be a batch, of {rank} dimensions: of a single sample pass `{name}[None]`. "
            f"Received: {name}.shape={tuple(inputs.shape)}"
        )


def _extremes(images: Any) -> tuple[np.ndarray, np.ndarray]:
    """The least and the largest value of each sample."""
    axes = tuple(range(1, len(images.shape)))
    if isinstance(images, np.ndarray):
        return images.min(axis=axes), images.max(axis=axes)
    # Tensors are reduced where they are.
    least, most = ops.min(images, axis=axes), ops.max(images, axis=axes)
    return keras.ops.convert_to_numpy(least), keras.ops.convert_to_numpy(most)


def check_not_cast(name: str, inputs: Any, model: keras.Model) -> None:
    """Raises for floats where a model's `Input` is one of integers: Keras would cast them without a word, and images in
    [0, 1] would be black.

    Args:
        name: the argument's name, for messages.
        inputs: array or tensor `[N, ...]`.
        model: any Keras model; of one without a single `Input` nothing is known.

    Raises:
        ValueError: naming both types.
    """
    expected = getattr(model, "inputs", None) or []
    dtype = keras.backend.standardize_dtype(inputs.dtype)
    if len(expected) == 1 and "int" in expected[0].dtype and "float" in dtype:
        raise ValueError(
            f"`{name}` must be {expected[0].dtype}, as the model's Input is: Keras casts floats, and [0, 1] becomes "
            f"black. Received: {name}.dtype={dtype}"
        )
