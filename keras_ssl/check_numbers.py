"""The check of an array of numbers: one for weights, their merging and the selection of data."""

from typing import Any

import numpy as np

from keras_ssl.precision import known_array


def check_numbers(name: str, value: Any) -> np.ndarray:
    """`value` as an array of integers or floats, or an error that names the argument.

    Args:
        name: of the argument.
        value: numbers, lists of them, an array or a tensor of either backend. Booleans are no numbers.

    Raises:
        ValueError: if it is something else, such as text or lists of unequal lengths.

    Example:

    >>> check_numbers("losses", [1, 2.5]).tolist()
    [1.0, 2.5]
    """
    try:
        array = known_array(value)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must hold numbers. Received: {name} of type {type(value).__name__}") from None
    if array.dtype.kind not in "iuf":
        raise ValueError(f"`{name}` must hold numbers. Received: {name} of type {array.dtype}")
    return array
