"""Checks that the measures of this folder share."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_ssl.evaluation.validation import as_features
from keras_ssl.typing import Tensor


def same_samples(name: str, features: Tensor, other_name: str, other: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features of the same samples, `[N, D1]` and `[N, D2]`, N at least 2, as float64."""
    first, second = as_features(name, features, 2), as_features(other_name, other, 2)
    if len(first) != len(second):
        raise ValueError(
            f"`{name}` and `{other_name}` must be of the same samples. "
            f"Received: {name}.shape={first.shape}, {other_name}.shape={second.shape}"
        )
    return first.astype(np.float64), second.astype(np.float64)


def check_option(name: str, value: Any, options: Sequence[str]) -> str:
    """`value`, or an error that names the options."""
    if value not in options:
        raise ValueError(f"`{name}` must be one of {', '.join(options)}. Received: {name}={value!r}")
    return str(value)


def as_numbers(name: str, values: Any, rank: int | None = None) -> np.ndarray:
    """A finite float64 array, not empty, of a rank where one is given."""
    try:
        array = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`{name}` must be an array of numbers. Received: {name}={type(values).__name__}") from error
    if array.size == 0 or (rank is not None and array.ndim != rank):
        wanted = "not be empty" if rank is None else f"have {rank} axes and not be empty"
        raise ValueError(f"`{name}` must {wanted}. Received: {name}.shape={array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(
            f"`{name}` must be finite. Received: {name}={array[~np.isfinite(array)][0]} at "
            f"{tuple(int(k) for k in np.argwhere(~np.isfinite(array))[0])}"
        )
    return array
