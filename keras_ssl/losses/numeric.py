"""The precision every loss computes in."""

from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import keras
import numpy as np

from keras_ssl.typing import Tensor


def as_float(x: Tensor, like: Tensor | None = None) -> Tensor:
    """`x` in float32, or in float64 where it comes in float64 (a gradient checked by finite differences).

    Statistics and softmaxes of half-precision embeddings overflow or lose the small differences that carry the
    gradient, so no loss computes in less. With `like`, `x` gets the type that `like` has here: TensorFlow computes
    with one type, and NumPy's arrays of weights or targets are float64 where a network's outputs are float32.
    """
    x = keras.ops.convert_to_tensor(x)
    given = x if like is None else keras.ops.convert_to_tensor(like)
    wide = keras.backend.standardize_dtype(given.dtype) == "float64"
    return keras.ops.cast(x, "float64" if wide else "float32")


def l2_normalize(x: Tensor, like: Tensor | None = None) -> Tensor:
    """Rows of `x` scaled to unit length, in the type of `as_float(x, like)`: in float16 squares overflow from 256 on.

    A zero row stays zero and gets the gradient zero: `keras.ops.normalize` bounds the norm after the reciprocal root,
    whose derivative at zero is infinite, and gives NaN there.
    """
    ops, x = keras.ops, as_float(x, like)
    square = ops.sum(ops.square(x), axis=-1, keepdims=True)
    zero = square <= 1e-24  # not so of NaN, which must stay: a loss of zeros would look right
    scale = ops.rsqrt(ops.where(zero, ops.ones_like(square), square))
    return ops.where(zero, ops.zeros_like(x), x * scale)


def check_positive(name: str, value: float) -> float:
    """`value`, or an error that names the argument when it is not above zero, or not finite."""
    if not 0 < value < float("inf"):
        raise ValueError(
            f"`{name}` must be greater than 0{' and finite' if value > 0 else ''}. Received: {name}={value}"
        )
    return value


def check_integer(name: str, value: Any, lowest: int, highest: int | None = None) -> int:
    """`value` as an integer, or an error that names the argument when it is none, below `lowest` or above `highest`."""
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not value % 1 == 0 or value < lowest or (highest is not None and value > highest):
        wanted = "a positive integer" if lowest == 1 else f"an integer of at least {lowest}"
        if highest is not None:
            wanted = f"an integer from {lowest} to {highest}"
        raise ValueError(f"`{name}` must be {wanted}. Received: {name}={value!r}")
    return int(value)


def same_shape(a: Iterable[int | None], b: Iterable[int | None]) -> bool:
    """Whether two shapes agree, as far as they are known while a step is traced.

    The first axis counts too: a batch of one sample would else be broadcast against a larger one, without a word.
    """
    a, b = tuple(a), tuple(b)
    return len(a) == len(b) and all(p == q or None in (p, q) for p, q in zip(a, b, strict=True))


def masked_mean(values: Tensor, name: str, mask: Tensor) -> Tensor:
    """The mean of each sample's values `[N, T]` where `mask` is 1: float32 `[N]`, 0 for a sample where it is nowhere.

    Args:
        values: `[N, T]`.
        name: the argument that is the mask, for the error.
        mask: 1 for values that count, else 0, or weights of at least 0; `[N, T]`.

    Raises:
        ValueError: if the mask has another shape than the values.
    """
    ops = keras.ops
    if not same_shape(values.shape, mask.shape):
        wanted = ", ".join("N" if side is None else str(side) for side in values.shape)
        raise ValueError(f"`{name}` must have the shape [{wanted}]. Received: {name}.shape={tuple(mask.shape)}")
    weights = as_float(mask, values)
    total = ops.sum(weights, axis=1)
    return ops.sum(weights * values, axis=1) / ops.where(total > 0, total, ops.ones_like(total))


def check_pair(z1: Tensor, z2: Tensor) -> None:
    """Both views' embeddings must be matrices of one shape (as far as it is known while a step is traced)."""
    if len(z1.shape) != 2 or not same_shape(z1.shape, z2.shape):
        raise ValueError(
            "Embeddings must be two matrices [N, D] of one shape. "
            f"Received: shapes {tuple(z1.shape)} and {tuple(z2.shape)}"
        )


def check_shape(name: str, value: Any, shape: Sequence[int | None]) -> None:
    """An error that names the argument when it has another shape, as far as both are known.

    Broadcasting would make a loss of arguments that do not belong together.
    """
    found = tuple(keras.ops.convert_to_tensor(value).shape)
    if not same_shape(found, shape):
        raise ValueError(f"`{name}` must have the shape {tuple(shape)}. Received: {name}.shape={found}")


def check_classes(name: str, labels: Tensor, shape: Sequence[int | None], classes: int) -> Tensor:
    """Class numbers in int32, negative for none, or an error that names the argument when one is no class.

    In compiled code, which cannot raise, nothing is known of the values.
    """
    check_shape(name, labels, shape)
    dtype = keras.backend.standardize_dtype(keras.ops.convert_to_tensor(labels).dtype)
    values = concrete(labels)
    if values is not None and ("float" in dtype and (values % 1).any() or (values >= classes).any()):
        wrong = values[(values % 1 != 0) | (values >= classes)]
        raise ValueError(
            f"`{name}` must be class numbers below {classes}, negative for none. Received: {name}={wrong[0]}"
        )
    return keras.ops.cast(labels, "int32")


def concrete(tensor: Tensor) -> np.ndarray | None:
    """The values of a tensor, or None while a program is traced and there are none."""
    try:
        return np.asarray(keras.ops.convert_to_numpy(tensor))
    except (TypeError, ValueError, NotImplementedError):
        return None


def off_diagonal_square_sum(matrix: Tensor) -> Tensor:
    """Sum of the squares of a square matrix outside its diagonal.

    The diagonal is zeroed rather than its squares subtracted: the difference of two large sums loses digits.
    """
    off_diagonal = matrix * (1.0 - keras.ops.eye(matrix.shape[0], dtype=matrix.dtype))
    return keras.ops.sum(keras.ops.square(off_diagonal))
