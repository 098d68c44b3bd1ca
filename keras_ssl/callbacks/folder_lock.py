"""One run for one folder."""

import os
from pathlib import Path

from keras_ssl.callbacks.resume_error import ResumeError

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]


class FolderLock:
    """Held while a run writes to a folder; the system frees it when the process ends, however it ends.

    Where there are no locks (some network file systems) it holds nothing.

    Args:
        folder: the folder; it must exist.

    Raises:
        ResumeError: if another process holds it.
    """

    def __init__(self, folder: Path) -> None:
        self._descriptor: int | None = None
        if fcntl is None:
            return
        # The folder itself: a lock file would have to be removed by someone.
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ResumeError(f"Another run saves its checkpoints here. Received: folder={str(folder)!r}") from None
        except OSError:
            os.close(descriptor)
            return
        self._descriptor = descriptor

    def release(self) -> None:
        """Frees the folder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
