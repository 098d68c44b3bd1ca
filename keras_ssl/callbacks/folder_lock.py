"""One run for one folder."""

import os
from pathlib import Path

from keras_ssl.callbacks.resume_error import ResumeError

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]


_HELD: dict[tuple[int, int], "FolderLock"] = {}  # by device and inode: what this process holds for others to enter


class FolderLock:
    """Held while a run writes to a folder; the system frees it when the process ends, however it ends.

    Where there are no locks (some network file systems) it holds nothing.

    Args:
        folder: the folder; it must exist.
        shared: whether one other lock of the same process may be taken while this one is held: a program takes the
            folder before it writes anything there, and the callback in its `fit` enters. Defaults to False.

    Raises:
        ResumeError: if another process holds it, or another run of this one.
    """

    def __init__(self, folder: Path, shared: bool = False) -> None:
        self._descriptor: int | None = None
        self._outer: FolderLock | None = None
        self._entered = False
        self._process = os.getpid()
        if fcntl is None:
            return
        # The folder itself: a lock file would have to be removed by someone.
        descriptor = os.open(folder, os.O_RDONLY)
        status = os.fstat(descriptor)
        self._key = (status.st_dev, status.st_ino)
        outer = _HELD.get(self._key)
        if outer is not None and outer._process == os.getpid() and not outer._entered:
            os.close(descriptor)
            outer._entered, self._outer = True, outer
            return
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise ResumeError(f"Another run saves its checkpoints here. Received: folder={str(folder)!r}") from None
        except OSError:
            os.close(descriptor)
            return
        self._descriptor = descriptor
        if shared:
            _HELD[self._key] = self

    def release(self) -> None:
        """Frees the folder, or leaves it to the lock that this one has entered."""
        if self._outer is not None:
            self._outer._entered, self._outer = False, None
        if self._descriptor is not None:
            if _HELD.get(self._key) is self:
                del _HELD[self._key]
            os.close(self._descriptor)
            self._descriptor = None
