"""Building layers under another dtype policy than the global one, and arrays of half precision."""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np


@contextmanager
def dtype_policy(name: str) -> Iterator[None]:
    """Layers made inside the block have the dtype policy `name`, such as "mixed_bfloat16"."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def variable_bytes(variables: Iterable[Any]) -> int:
    """How many bytes the values of variables take, none of which is read."""
    sizes = {"float64": 8, "int64": 8, "float16": 2, "bfloat16": 2}
    return sum(
        sizes.get(keras.backend.standardize_dtype(variable.dtype), 4) * math.prod(variable.shape)
        for variable in variables
    )


def known_array(values: Any) -> np.ndarray:
    """An array; of float32 where values are bfloat16, which NumPy does not count among its numbers.

    That is what `predict` gives under the policy "mixed_bfloat16".
    """
    array = np.asarray(values)
    return array.astype("float32") if array.dtype.name == "bfloat16" else array
