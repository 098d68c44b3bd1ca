"""A lock that saves work, and that nothing relies on."""

import os
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


@contextmanager
def advisory_lock(path: Path) -> Iterator[None]:
    """Waits until no other process holds the lock of `path`, for at most `WAIT` seconds, then goes on.

    Where there are no locks (some network file systems, a folder that cannot be written) it goes on at once:
    what runs inside must be right without. The system frees the lock of a process that dies.
    """
    descriptor = None
    lock = path.with_name(f".{path.name}.busy")
    try:
        descriptor = _acquire(lock)
        yield
    finally:
        if descriptor is not None:
            with suppress(OSError):
                lock.unlink()
            os.close(descriptor)


def _acquire(lock: Path) -> int | None:
    if fcntl is None:
        return None
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError:
        return None
    deadline = time.monotonic() + WAIT
    try:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return descriptor
            except BlockingIOError:
                time.sleep(0.05)
    except OSError:
        pass  # no locks here
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None
