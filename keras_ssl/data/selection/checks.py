"""What the selectors share: checks of features, budgets and indices, and draws by number."""

from typing import Any

import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.precision import known_array
from keras_ssl.random import threefry2x32


def check_features(name: str, features: Any, rank: int | None = 2) -> np.ndarray:
    """`features` as a float64 array, or an error that names the argument.

    Args:
        name: of the argument.
        features: array of numbers, the samples along the first axis.
        rank: its number of axes; None for any from 1 on.
    """
    array = known_array(features)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"`{name}` must be an array of numbers. Received: {name}={array.dtype}")
    if array.ndim < 1 or (rank is not None and array.ndim != rank):
        raise ValueError(f"`{name}` must have {rank or 'one or more'} axes. Received: {name}=shape {array.shape}")
    if array.size == 0:
        raise ValueError(f"`{name}` must hold at least one sample. Received: {name}=shape {array.shape}")
    array = array.astype("float64")
    finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
    if not finite.all():
        raise ValueError(
            f"`{name}` must be finite. Received: {name}=array with NaN or infinity in row {int(np.argmin(finite))}"
        )
    return array


def check_same_width(name: str, features: np.ndarray, other_name: str, other: np.ndarray) -> None:
    """An error if two matrices of features differ in their number of columns."""
    if features.shape[1] != other.shape[1]:
        raise ValueError(
            f"`{name}` and `{other_name}` must have the same number of columns. "
            f"Received: {name}=shape {features.shape}, {other_name}=shape {other.shape}"
        )


def check_budget(budget: Any, pool: int) -> int:
    """`budget` as an integer from 1 to the size of the pool, or an error."""
    return check_integer("budget", budget, 1, pool)


def check_indices(name: str, indices: Any) -> np.ndarray:
    """`indices` as int64 `[N]`: not empty, not negative, none twice; or an error that names the argument."""
    array = np.asarray(indices)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ValueError(
            f"`{name}` must be integers [N]. Received: {name}=array of {array.dtype} with shape {array.shape}"
        )
    if not len(array):
        raise ValueError(f"`{name}` must not be empty. Received: {name}=shape {array.shape}")
    if array.min() < 0:
        raise ValueError(f"`{name}` must not be negative. Received: {name}=array with {array.min()}")
    values, counts = np.unique(array, return_counts=True)
    if counts.max() > 1:
        raise ValueError(
            f"`{name}` must hold no index twice. Received: {name}=array with {values[counts.argmax()]} twice"
        )
    return array.astype("int64")


def check_seed(seed: Any) -> int:
    """`seed` as an integer in [0, 2**32), or an error."""
    return check_integer("seed", seed, 0, 2**32 - 1)


def unit_rows(features: np.ndarray) -> np.ndarray:
    """Rows scaled to unit length; a zero row stays zero. Large numbers do not overflow."""
    scaled = features / np.maximum(np.abs(features).max(axis=1, keepdims=True), np.finfo("float64").tiny)
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    return scaled / np.where(norms > 0, norms, 1.0)


def uniforms(seed: int, step: int, positions: np.ndarray, draw: int | np.ndarray = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two independent uniform float64 numbers in [0, 1) for each position: a pure function of the arguments."""
    first = np.asarray(positions).astype("uint32")
    second = np.broadcast_to(np.asarray(draw).astype("uint32"), first.shape)
    key = (np.uint32(seed & 0xFFFFFFFF), np.uint32(step & 0xFFFFFFFF))
    with np.errstate(over="ignore"):
        words = threefry2x32(key, (first, second), xp=np)
    return words[0] * 2.0**-32, words[1] * 2.0**-32
