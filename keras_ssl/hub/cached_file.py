"""Whether a file in the cache is the one that is wanted."""

import hashlib
import os
import time
from pathlib import Path

from keras_ssl.hub.card_file import FIRST_USE, CardFile
from keras_ssl.hub.environment import is_set
from keras_ssl.hub.first_use import record_hash, recorded_hash

SETTLED = 2.0
"""Seconds that a file must have stood unchanged before its hash is remembered: clocks of file systems are coarse."""

_HASHES: dict[tuple[str, int, int, int, int, int], str] = {}


def is_cached(file: CardFile, target: Path) -> bool:
    """Whether `target` has the size and hash of `file`; a hash that nobody knows yet is recorded.

    Raises:
        OSError: if there is a file that cannot be read, or whose hash cannot be recorded.
    """
    try:
        size = target.stat().st_size
        if file.size not in (None, size):
            return False
        digest = file_hash(target)
    except (FileNotFoundError, NotADirectoryError):
        return False
    expected = expected_hash(file, target)
    if expected is None and file.url is not None:
        expected = record_hash(target, file.url, size, digest)
    return digest == expected


def expected_hash(file: CardFile, target: Path) -> str | None:
    """The sha256 that a cached file must have: the card's, or that of the first download, None before it."""
    if file.sha256 != FIRST_USE or file.url is None:
        return file.sha256
    return recorded_hash(target, file.url)


def file_hash(path: Path) -> str:
    """The sha256 of a file; from memory where the file is the same and has not been written to since.

    `KERAS_SSL_VERIFY=1` in the environment reads it always.
    """
    with path.open("rb") as stream:
        before = os.fstat(stream.fileno())
        key = (str(path), before.st_dev, before.st_ino, before.st_size, before.st_mtime_ns, before.st_ctime_ns)
        if key in _HASHES and not is_set("KERAS_SSL_VERIFY"):
            return _HASHES[key]
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        after = os.fstat(stream.fileno())
    unchanged = (after.st_size, after.st_mtime_ns, after.st_ctime_ns) == key[3:]
    if unchanged and time.time() - max(after.st_mtime, after.st_ctime) >= SETTLED:
        _HASHES[key] = digest
    return digest
