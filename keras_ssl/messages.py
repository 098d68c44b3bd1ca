"""Messages that cannot end the work they report on."""

import atexit
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

# What a stream raises that is full, closed, None, or in use by the code that a signal has interrupted.
_STREAM_ERRORS = (OSError, ValueError, AttributeError, RuntimeError)
_failed: list[Any] = []


def say(text: str, error: bool = False) -> None:
    """Prints a line to the standard output, or to the standard error; a stream that fails is passed over.

    Args:
        text: the line.
        error: whether it goes to the standard error. Defaults to False.

    Example:

    >>> say("Epoch 3 is saved.")
    Epoch 3 is saved.
    """
    stream = _Guarded(sys.stderr if error else sys.stdout)
    stream.write(f"{text}\n")
    stream.flush()


def warn(text: str, category: type[Warning] = UserWarning, stacklevel: int = 2) -> None:
    """Warns as `warnings.warn` does; a standard error that fails is passed over.

    Args:
        text: the message.
        category: of the warning. Defaults to `UserWarning`.
        stacklevel: as in `warnings.warn`. Defaults to 2: the caller.

    Raises:
        Warning: where the program's filters make errors of such warnings.
    """
    try:
        warnings.warn(text, category, stacklevel=stacklevel + 1)
        _Guarded(sys.stderr).flush()  # Python passes over some faults of the stream, and over others not
    except Warning:
        raise
    except _STREAM_ERRORS:
        _note_failure(sys.stderr)


@contextmanager
def guarded_output() -> Iterator[None]:
    """Inside the block, what is written to the standard output and error is lost where they fail, instead of raising.

    Keras' progress bar, for one, would otherwise end a training whose terminal is gone. Streams that are None take
    everything.

    Example:

    >>> with guarded_output():
    ...     print("seen")
    seen
    """
    before = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    guards = {name: _Guarded(stream) for name, stream in before.items() if not isinstance(stream, _Guarded)}
    for name, guard in guards.items():
        setattr(sys, name, guard)
    try:
        yield
    finally:
        for name, guard in guards.items():
            if getattr(sys, name) is guard:  # and not what the block has put there
                setattr(sys, name, before[name])


class _Guarded:
    """A text stream whose faults are passed over."""

    def __init__(self, stream: Any) -> None:
        self._stream: Any = _unguarded(stream)

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except UnicodeEncodeError:
            encoding = getattr(self._stream, "encoding", None) or "ascii"
            with suppress(*_STREAM_ERRORS):
                self._stream.write(text.encode(encoding, "replace").decode(encoding))
        except _STREAM_ERRORS:
            _note_failure(self._stream)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except _STREAM_ERRORS:
            _note_failure(self._stream)

    def isatty(self) -> bool:
        try:
            return bool(self._stream.isatty())
        except _STREAM_ERRORS:
            return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _unguarded(stream: Any) -> Any:
    return stream._stream if isinstance(stream, _Guarded) else stream


def _note_failure(stream: Any) -> None:
    """Has the program's end throw away what a stream could not write: Python would make it exit code 120."""
    stream = _unguarded(stream)
    if stream is not None and not any(stream is other for other in _failed):
        _failed.append(stream)
        atexit.register(_settle, stream)


def _settle(stream: Any) -> None:
    try:
        stream.flush()
    except _STREAM_ERRORS:
        with suppress(*_STREAM_ERRORS):
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, stream.fileno())
            stream.flush()
