"""One form for what is wrong with the weights of a file."""

from collections.abc import Mapping, Sequence

_NAMED = 5  # keys named in a message
_LONGEST = 150  # characters of one: a hostile file must not flood the message


def weight_problems(problems: Mapping[str, Sequence[str]]) -> str:
    """Says what is wrong with which keys, naming some of each kind; "" where nothing is.

    Example:

    >>> weight_problems({"missing": ["a", "b"], "extra": []})
    'missing: a, b'
    """
    return "; ".join(f"{what}: {_some(keys)}" for what, keys in problems.items() if keys)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    named = (name if len(name) <= _LONGEST else name[: _LONGEST - 3] + "..." for name in names[:_NAMED])
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
