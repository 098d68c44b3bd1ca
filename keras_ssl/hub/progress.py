"""How far a download is."""

import sys
import time
from collections.abc import Callable

from keras_ssl.messages import guarded_output, say

LINE_EVERY = 10.0
"""Seconds between two lines, where no bar can be drawn."""


def progress(name: str, size: int | None, shown: bool = True) -> Callable[[int], None]:
    """A function to call with the number of bytes that are there.

    On a terminal it draws Keras' progress bar; elsewhere (a log, a batch job) it writes a line to the standard
    error at the start, at the end and every `LINE_EVERY` seconds. A terminal or log that fails is passed over.

    Args:
        name: of the file.
        size: of the file in bytes; None where it is not known.
        shown: False for silence.

    Example:

    >>> progress("weights", 4, shown=False)(4)
    """
    if not shown:
        return lambda position: None
    with guarded_output():
        on_terminal = sys.stdout.isatty()
    return _bar(name, size) if on_terminal else _Lines(name, size)


def _bar(name: str, size: int | None) -> Callable[[int], None]:
    import keras  # only here: the rest of a download needs no Keras

    say(f"Downloading {name}")
    bar = keras.utils.Progbar(size, unit_name="byte")

    def update(position: int) -> None:
        with guarded_output():  # what cannot be shown is no fault of the download
            bar.update(position)

    return update


class _Lines:
    def __init__(self, name: str, size: int | None) -> None:
        self.name, self.size = name, size
        self.next = 0.0

    def __call__(self, position: int) -> None:
        now = time.monotonic()
        if now >= self.next or position == self.size:
            self.next = now + LINE_EVERY
            total = "" if self.size is None else f"of {self.size:,} "
            say(f"Downloading {self.name}: {position:,} {total}bytes", error=True)
