"""What schedules share: checks of their numbers, and steps as tensors that lose no digits."""

import math
from numbers import Real
from typing import Any

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

LAST = 2**31 - 1  # the largest step that int32 holds


def check_rate(name: str, value: Any, zero: bool = False) -> float:
    """`value` as a float, or an error that names the argument where it is no finite positive number.

    Args:
        name: of the argument.
        value: to check.
        zero: whether 0 is allowed too. Defaults to False.
    """
    return check_number(name, value, 0.0, above=not zero)


def check_steps(name: str, value: Any, lowest: int = 0) -> int:
    """`value` as a number of steps, or an error that names the argument."""
    return check_integer(name, value, lowest, None if _below(value) else LAST)


def as_step(step: Any) -> Tensor:
    """A step as a tensor. Integers stay integers, because float32 cannot tell steps above 2**24 apart.

    Python numbers beyond int32 become its last number: no schedule changes after it.
    """
    if isinstance(step, int | float | np.generic | np.ndarray):
        step = np.asarray(step)
        if step.dtype.kind in "iu":
            return keras.ops.convert_to_tensor(np.clip(step, 0, LAST).astype("int32"))
        return keras.ops.convert_to_tensor(step.astype("float32"))
    step = keras.ops.convert_to_tensor(step)
    dtype = keras.backend.standardize_dtype(step.dtype)
    if "int" in dtype and dtype != "int64":
        return keras.ops.cast(step, "int32")
    return step


def since(step: Tensor, start: int) -> Tensor:
    """Steps from `start` to `step` (of `as_step`), float32; subtracted before the cast, so that no digits are lost."""
    return keras.ops.cast(step - start, "float32")


def share(step: Tensor, start: int, length: int) -> Tensor:
    """How much of a phase is over, in [0, 1]: it begins at `start` and takes `length` steps, at least 1."""
    return keras.ops.clip(since(step, start) / length, 0.0, 1.0)


def half_cosine(progress: Tensor, high: float, low: float) -> Tensor:
    """From `high` at a progress of 0 down half a cosine to `low` at 1."""
    return low + (high - low) * 0.5 * (1.0 + keras.ops.cos(math.pi * progress))


def warmed_up(step: Tensor, rate: Tensor, peak: float, warmup_steps: int, start: float, first: int = 0) -> Tensor:
    """`rate`, but before step `first + warmup_steps` the line from `start` at step `first` to `peak`."""
    if not warmup_steps:
        return rate
    # Not over `since` alone: before `first` it would be negative.
    line = start + (peak - start) * share(step, first, warmup_steps)
    return keras.ops.where(step < first + warmup_steps, line, rate)


def check_warmup(warmup_steps: Any, total_steps: int, name: str = "total_steps") -> int:
    """`warmup_steps` as an integer, or an error where it is not less than the steps that hold it."""
    steps = check_steps("warmup_steps", warmup_steps)
    if steps >= total_steps:
        raise ValueError(
            f"`warmup_steps` must be less than `{name}`. Received: warmup_steps={warmup_steps}, {name}={total_steps}"
        )
    return steps


def _below(value: Any) -> bool:
    """Whether a wrong number should be called too small (or none at all), and not too large."""
    return not (isinstance(value, Real) and not isinstance(value, bool) and float(value) > LAST)
