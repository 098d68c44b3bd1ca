"""Reading a part of an open file, on every system."""

import os


def read_at(descriptor: int, count: int, offset: int) -> bytes:
    """Up to `count` bytes of an open file from `offset` on.

    Where the system has no `pread` (Windows) the file's position moves: of one descriptor, one thread reads at a time.

    Raises:
        OSError: if the file cannot be read.
    """
    if hasattr(os, "pread"):
        return os.pread(descriptor, count, offset)
    os.lseek(descriptor, offset, os.SEEK_SET)
    return os.read(descriptor, count)
