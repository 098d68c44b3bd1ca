"""Names that someone may have meant."""

import difflib
from collections.abc import Iterable


def suggestion(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the names closest to `name`, or all where none is close.

    Example:

    >>> suggestion("simcler", ["simclr", "byol"])
    'Closest: simclr.'
    """
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
    if close:
        return f"Closest: {', '.join(close)}."
    return f"Known: {', '.join(names)}." if names else "None is known."
