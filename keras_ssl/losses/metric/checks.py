"""What the losses of this folder check of their arguments."""

import math
from typing import Any

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.typing import Tensor


def check_finite_number(name: str, value: Any) -> float:
    """`value` as a float, or an error that names the argument where it is NaN or infinite."""
    return check_number(name, value)


def check_finite_positive(name: str, value: Any) -> float:
    """`value` as a float, or an error that names the argument where it is not finite and above zero."""
    return check_number(name, value, 0.0, above=True)


def check_weight(name: str, value: Any) -> float:
    """`value` as a float, or an error that names the argument where it is not finite or below zero."""
    return check_number(name, value, 0.0)


def check_matrix(name: str, value: Tensor) -> Tensor:
    """`value` as a tensor, or an error that names the argument where it has not two axes."""
    tensor = keras.ops.convert_to_tensor(value)
    if len(tensor.shape) != 2:
        raise ValueError(f"`{name}` must have two axes. Received: {name}.shape={tuple(tensor.shape)}")
    return tensor


def check_labels(name: str, value: Tensor, count: int | None, integers: bool = True) -> Tensor:
    """`value` as a tensor `[count]`, of integers where wanted, or an error that names the argument."""
    tensor = keras.ops.convert_to_tensor(value)
    if len(tensor.shape) != 1 or (None not in (count, tensor.shape[0]) and tensor.shape[0] != count):
        raise ValueError(
            f"`{name}` must hold one label for each row, {count} of them. Received: {name}.shape={tuple(tensor.shape)}"
        )
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if integers and "int" not in dtype:
        raise ValueError(f"`{name}` must hold integers. Received: {name}.dtype={dtype}")
    return tensor


def check_same_shape(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """An error that names both arguments where their shapes differ, as far as they are known."""
    pairs = zip(value.shape, other.shape, strict=False)
    if len(value.shape) != len(other.shape) or any(a != b and None not in (a, b) for a, b in pairs):
        raise ValueError(
            f"`{name}` and `{other_name}` must have one shape. "
            f"Received: {name}.shape={tuple(value.shape)}, {other_name}.shape={tuple(other.shape)}"
        )


def check_entries(name: str, value: Tensor, low: float, high: float) -> None:
    """An error that names the argument where a NumPy array, or a list, has entries outside `[low, high]`.

    Tensors are not looked into: compiled code cannot raise.
    """
    if not isinstance(value, np.ndarray | list | tuple):
        return
    array = np.asarray(value, "float64")
    wrong = ~((array >= low) & (array <= high) & np.isfinite(array))
    if wrong.any():
        limits = f"at least {low:g}" if math.isinf(high) else f"from {low:g} to {high:g}"
        raise ValueError(f"`{name}` must hold finite numbers, {limits}. Received: {name}={array[wrong][0]}")
