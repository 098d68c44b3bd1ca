"""The check of a number: one for all layers of the library."""

import math
from numbers import Real
from typing import Any


def check_number(
    name: str,
    value: Any,
    lowest: float = -math.inf,
    highest: float = math.inf,
    above: bool = False,
    below: bool = False,
) -> float:
    """`value` as a float, or an error that names the argument.

    Args:
        name: of the argument.
        value: what was given. NaN, infinity, booleans and everything that is no number are refused.
        lowest: least value. Defaults to minus infinity: none.
        highest: greatest value. Defaults to infinity: none.
        above: whether `value` must lie above `lowest`. Defaults to False.
        below: whether `value` must lie below `highest`. Defaults to False.

    Raises:
        ValueError: if it is no number, not finite, or out of range.

    Example:

    >>> check_number("temperature", 1, lowest=0.0, above=True)
    1.0
    """
    number = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
    inside = number and lowest <= value <= highest
    if inside and not (above and value == lowest) and not (below and value == highest):
        return float(value)
    raise ValueError(f"`{name}` must {_wanted(lowest, highest, above, below)}. Received: {name}={value!r}")


def _wanted(lowest: float, highest: float, above: bool, below: bool) -> str:
    """The condition in words."""
    least, most = lowest > -math.inf, highest < math.inf
    if least and most:
        return f"lie in {'(' if above else '['}{lowest:g}, {highest:g}{')' if below else ']'}"
    if least:
        return f"be a finite number {'greater than' if above else 'of at least'} {lowest:g}"
    if most:
        return f"be a finite number {'less than' if below else 'of at most'} {highest:g}"
    return "be a finite number"
