"""Checks that the measures of calibration share."""

from typing import Any

import numpy as np

from keras_ssl.precision import known_array
from keras_ssl.typing import Tensor


def as_matrix(name: str, values: Tensor) -> np.ndarray:
    """Finite numbers `[N, K]` in float64, N at least 1 and K at least 2.

    Raises:
        ValueError: if they are not that.
    """
    array = known_array(values)
    if array.ndim != 2 or array.shape[0] < 1 or array.shape[1] < 2 or array.dtype.kind not in "fiu":
        raise ValueError(
            f"`{name}` must be numbers [N, K], at least one sample and two classes. "
            f"Received: {name}.shape={array.shape}, {name}.dtype={array.dtype}"
        )
    array = array.astype("float64")
    finite = np.isfinite(array).all(axis=1)
    if not finite.all():
        row = int(finite.argmin())
        raise ValueError(f"`{name}` must be finite. Received: {name}={array[row]} in row {row}")
    return array


def as_probabilities(name: str, values: Tensor) -> np.ndarray:
    """Distributions `[N, K]` in float64.

    Raises:
        ValueError: if a number lies outside [0, 1] or a row does not sum to 1 within 1e-3 (1e-2 for bfloat16).
    """
    array = as_matrix(name, values)
    near = 1e-2 if np.asarray(values).dtype.name == "bfloat16" else 1e-3
    bad = (array < -1e-6).any(axis=1) | (array > 1 + near).any(axis=1) | (np.abs(array.sum(axis=1) - 1) > near)
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"`{name}` must be probabilities, which sum to 1 in each row (not logits). "
            f"Received: {name}={array[row]} in row {row}"
        )
    return array


def as_labels(labels: Tensor, samples: int, classes: int) -> np.ndarray:
    """Class numbers `[N]` as integers.

    Raises:
        ValueError: if they are not integers `[N]` from 0 to K - 1.
    """
    array = np.asarray(labels)
    if array.shape != (samples,) or array.dtype.kind not in "iu":
        raise ValueError(
            f"`labels` must be class numbers, integers [N] with N={samples}. "
            f"Received: labels.shape={array.shape}, labels.dtype={array.dtype}"
        )
    wrong = (array < 0) | (array >= classes)
    if wrong.any():
        raise ValueError(
            f"`labels` must be class numbers from 0 to {classes - 1}. "
            f"Received: labels={array[wrong.argmax()]} in sample {int(wrong.argmax())}"
        )
    return array.astype("int64")


def softmax(logits: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def check_count(name: str, value: Any, lowest: int = 1) -> int:
    """`value` as an integer of at least `lowest`.

    Raises:
        ValueError: if it is not that.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < lowest:
        raise ValueError(f"`{name}` must be an integer of at least {lowest}. Received: {name}={value!r}")
    return int(value)
