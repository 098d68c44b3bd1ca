"""Names that someone may have meant."""

import difflib
import os
from collections.abc import Iterable

_NAMED = 40  # names in a message


def suggestion(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the names closest to `name`, or where none is close the first of all.

    Example:

    >>> suggestion("simcler", ["simclr", "byol"])
    'Closest: simclr.'
    """
    names = sorted(known)
    close = closest(name, names)
    if close:
        return f"Closest: {', '.join(close)}."
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"Known: {', '.join(names[:_NAMED])}{more}." if names else "None is known."


def closest(name: str, known: Iterable[str]) -> list[str]:
    """At most three names that are much like `name`, the closest first; case, hyphens and underscores do not count.

    Example:

    >>> closest("simclr", ["SimCLR", "BYOL"]), closest("barlow-twins", ["BarlowTwins", "BYOL"])
    (['SimCLR'], ['BarlowTwins'])
    """
    plain: dict[str, list[str]] = {}
    for full in sorted(known):
        plain.setdefault(_plain(full), []).append(full)
    found = difflib.get_close_matches(_plain(name), plain, n=3, cutoff=0.5)
    return [full for key in found for full in plain[key]][:3]


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def is_path(text: str) -> bool:
    """Whether a text is meant as a path and cannot be a name, as it has a separator, or says what kind of file it is.

    Example:

    >>> is_path("runs/1"), is_path("mine.toml"), is_path("simclr")
    (True, True, False)
    """
    separators = (os.sep, os.altsep or os.sep)
    return any(separator in text for separator in separators) or text.endswith((".toml", ".npz"))
