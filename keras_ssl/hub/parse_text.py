"""Texts that others wrote, parsed: whatever is wrong with them is one kind of error."""

import json
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_ssl.regular_file import read_regular

MAX_TEXT = 2**22
"""Bytes of the longest file that is parsed."""
MAX_DEPTH = 50
"""How deep tables and lists may be nested; the parsers of Python end at about 1,000."""

ODD_VALUES = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError, MemoryError)
"""What values of any type and size can make a class or function raise that was not made for them."""

_Parser = Callable[[str], Any]
# Python's parser of TOML takes a time that grows by the square of a key's parts.
_LONG_KEY = re.compile(rf"""(?<![\w"'-])(?:[\w"'-]++[ \t]*+\.[ \t]*+){{{MAX_DEPTH}}}""")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        ValueError: if the file cannot be read, is not TOML, or holds what `parse_text` refuses; the message names it.
    """
    return _read(path, "TOML", tomllib.loads)


def read_json(path: Path) -> Any:
    """The value in a JSON file; errors are as those of `read_toml`."""
    return _read(path, "JSON", json.loads)


def parse_text(text: str, parse: _Parser = tomllib.loads) -> Any:
    """What a parser makes of a text that others wrote; whatever goes wrong is a `ValueError`.

    Python's parsers have limits of their own, each with its own error: of depth, and of the digits of a number. Values
    that pass them can still be too much for whoever copies or shows them, so both are limited here.

    Args:
        text: to parse.
        parse: `tomllib.loads` (default) or `json.loads`.

    Raises:
        ValueError: if the text cannot be parsed, is nested more than `MAX_DEPTH` deep, or has an integer of more than
            64 bits.

    Example:

    >>> parse_text("epochs = 3")
    {'epochs': 3}
    """
    try:
        if parse is tomllib.loads and _LONG_KEY.search(text):
            raise RecursionError
        value = parse(text)
    except RecursionError as error:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep") from error
    except ODD_VALUES as error:
        if isinstance(error, ValueError):
            raise  # as it is: callers tell one parser's from others
        raise ValueError(reason(error)) from error
    level = [value]
    for _ in range(MAX_DEPTH + 1):  # level by level: what is too deep for Python would be so for a recursion here
        for item in level:
            if isinstance(item, int) and not -(2**63) <= item < 2**63:
                raise ValueError("it has an integer of more than 64 bits")
        level = [
            inner
            for item in level
            if isinstance(item, dict | list)
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return value
    raise ValueError(f"it is nested more than {MAX_DEPTH} deep")


def reason(error: Exception) -> str:
    """What an error says; with its type, where it was not raised as an answer to the value."""
    return str(error) if isinstance(error, ValueError | TypeError) else f"{type(error).__name__}: {error}"


def _read(path: Path, kind: str, parse: _Parser) -> Any:
    try:
        return parse_text(read_regular(path, MAX_TEXT).decode("utf-8"), parse)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"A {kind} file cannot be read: {str(error)[:300]}. Received: path={shown_path(path)}"
        ) from error


def shown_path(path: str | Path) -> str:
    """A path, name or setting for a message, where it may be very long.

    Example:

    >>> shown_path("runs/1")
    "'runs/1'"
    """
    text = str(path)
    return repr(text if len(text) <= 300 else f"{text[:200]}...{text[-90:]}")
