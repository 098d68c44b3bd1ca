"""Writers of a run that cannot end it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keras_ssl.messages import warn


class WriteGuard:
    """Passes over what the system refuses to write for a run, so that the run goes on: hours of it are worth more.

    The first refusal of a path is warned of, with the system's reason, and the next one only after a success.

    Example:

    >>> import tempfile
    >>> guard = WriteGuard()
    >>> with guard.writing(Path(tempfile.mkdtemp(), "a.txt")) as path:
    ...     path.write_text("kept")
    4
    """

    def __init__(self) -> None:
        self._failing: set[str] = set()

    def failing(self, path: str | os.PathLike[str] | None) -> bool:
        """Whether the last attempt to write to this path was refused."""
        return path is not None and os.fspath(path) in self._failing

    @contextmanager
    def writing(self, path: str | os.PathLike[str]) -> Iterator[Path]:
        """Yields the path to write to; an `OSError` of the block becomes a warning that names it."""
        name = os.fspath(path)
        try:
            yield Path(path)
        except OSError as error:
            if name not in self._failing:
                self._failing.add(name)
                warn(f"This cannot be written: {name} ({error.strerror or error}). The run goes on.", stacklevel=4)
        else:
            self._failing.discard(name)
