"""A lock that saves work, and that nothing relies on."""

import glob
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: every process works for itself
    fcntl = None  # type: ignore[assignment]

WAIT = 600.0
"""Seconds after which a process no longer waits for another."""
IDLE = 60.0
"""Seconds after which it no longer waits, if the other writes nothing: it hangs, or has stopped."""
_LOOK, _AGAIN = 1.0, 0.05  # seconds between two looks at what the other writes, and between two tries


@contextmanager
def advisory_lock(path: Path, shown: bool = False) -> Iterator[None]:
    """Waits until no other process holds the lock of `path`, for at most `WAIT` seconds, then goes on.

    Where there are no locks (some network file systems, a folder that cannot be written) it goes on at once:
    what runs inside must be right without. The system frees the lock of a process that dies.

    Args:
        path: the file that is to be written, by `atomic_file`.
        shown: whether to say that there is something to wait for. Defaults to False.
    """
    descriptor = None
    lock = path.with_name(f".{path.name}.busy")
    try:
        descriptor = _acquire(lock, path, shown)
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                lock.unlink()
            os.close(descriptor)


def _acquire(lock: Path, path: Path, shown: bool) -> int | None:
    if fcntl is None:
        return None
    try:
        # Without a wait for the other end of a FIFO of this name.
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o666)
    except OSError:
        return None
    try:
        if _locked(descriptor) or _wait(descriptor, path, shown):
            return descriptor
    except OSError:
        pass  # no locks here
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait(descriptor: int, path: Path, shown: bool) -> bool:
    """Whether the lock could be had before the time was over; then it is had."""
    start = moved = looked = time.monotonic()
    written = _written(path)
    if shown:
        with suppress(OSError, ValueError, AttributeError):  # nobody listens
            print(f"Waiting for another process that downloads {path.name}", file=sys.stderr, flush=True)
    while (now := time.monotonic()) - start < WAIT and now - moved < IDLE:
        if _locked(descriptor):
            return True
        if now - looked >= _LOOK:
            looked, before, written = now, written, _written(path)
            moved = moved if before == written else now
        time.sleep(_AGAIN)
    return False


def _written(path: Path) -> list[tuple[str, int]]:
    """What unfinished files of `path` there are, and how long they are."""
    found = []
    for item in path.parent.glob(f".*-{glob.escape(path.name)}"):
        with suppress(OSError):
            found.append((item.name, item.stat().st_size))
    return sorted(found)
