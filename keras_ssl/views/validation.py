"""Checks of arguments that several views share."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def check_probability(name: str, value: Any) -> float:
    """A number in [0, 1], or a ValueError that names the argument."""
    if not _is_number(value) or not 0.0 <= value <= 1.0:
        raise ValueError(f"Argument `{name}` must be a number in [0, 1]. Received: {name}={value!r}")
    return float(value)


def check_range(name: str, value: Any, lowest: float, highest: float, *, above: bool = False) -> tuple[float, float]:
    """An ascending pair in [lowest, highest] (with `above`: in (lowest, highest]), or a ValueError."""
    pair = isinstance(value, Sequence) and len(value) == 2 and all(_is_number(v) for v in value)
    valid = pair and lowest <= value[0] <= value[1] <= highest and math.isfinite(value[1])
    if not valid or (above and value[0] == lowest):
        raise ValueError(
            f"Argument `{name}` must be an ascending pair of numbers in "
            f"{'(' if above else '['}{lowest}, {highest}]. Received: {name}={value!r}"
        )
    return float(value[0]), float(value[1])


def check_size(name: str, value: Any) -> tuple[int, int]:
    """A positive number of pixels, or a pair of them (height, width), as a pair; or a ValueError."""
    pair = (value, value) if isinstance(value, int) else value
    valid = isinstance(pair, Sequence) and len(pair) == 2
    if not valid or not all(isinstance(v, int) and not isinstance(v, bool) and v > 0 for v in pair):
        raise ValueError(
            f"Argument `{name}` must be a positive integer, or a pair of them (height, width). "
            f"Received: {name}={value!r}"
        )
    return int(pair[0]), int(pair[1])
