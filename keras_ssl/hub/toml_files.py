"""TOML of plain values, in which the word "none" stands for None."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tomli_w

NONE = "none"
"""How a card or a recipe writes None, which TOML does not have: `input_shape = ["none", "none", 3]`."""


def toml_text(tables: Mapping[str, Any]) -> str:
    """Nested dicts of plain values as TOML. Tuples and arrays become lists, None becomes "none".

    Raises:
        ValueError: if a value has no place in TOML; the message names its key.
    """
    text = tomli_w.dumps(_to_toml(tables, ""))
    # The writer puts every number of a list on a line of its own; short lists read better in one line.
    return re.sub(r"\[\n((?:    [^\[\]{}\n]+,\n)+)\]", _one_line, text)


def from_toml(value: Any) -> Any:
    """A value read from TOML with "none" turned back into None, at any depth."""
    if isinstance(value, dict):
        return {key: from_toml(item) for key, item in value.items()}
    if isinstance(value, list):
        return [from_toml(item) for item in value]
    return None if value == NONE else value


def _to_toml(value: Any, key: str) -> Any:
    if value is None:
        return NONE
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _to_toml(item, f"{key}.{name}" if key else str(name)) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_toml(item, key) for item in value]
    if isinstance(value, bool | int | float | str):
        return value
    raise ValueError(f"{key!r} must be a number, text, a list or a dict of such. Received: {key}={value!r}")


def _one_line(match: re.Match[str]) -> str:
    items = [line.strip().rstrip(",") for line in match.group(1).splitlines()]
    line = f"[{', '.join(items)}]"
    return line if len(line) <= 100 else match.group(0)
