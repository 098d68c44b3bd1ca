"""Whether a file in the cache is the one that is wanted."""

import hashlib
import os
import time
from pathlib import Path
from typing import NamedTuple

from keras_ssl.hub.card_file import FIRST_USE, CardFile
from keras_ssl.hub.environment import is_set
from keras_ssl.hub.first_use import record_hash, recorded_hash
from keras_ssl.regular_file import open_regular

# Of md5, the purpose is said: systems that forbid it as a safeguard allow it to compare files.
HASHERS = {"sha256": hashlib.sha256, "md5": lambda: hashlib.md5(usedforsecurity=False)}
SETTLED = 2.0
"""Seconds that a file must have stood unchanged before its hash is remembered: clocks of file systems are coarse."""


def is_cached(file: CardFile, target: Path) -> bool:
    """Whether `target` has the size and hashes of `file`; a hash that nobody knows yet is recorded.

    Raises:
        OSError: if there is a file that cannot be read, or whose hash cannot be recorded.
    """
    try:
        size = target.stat().st_size
        if file.size not in (None, size) or (file.size is None and not size):  # nothing is no first download
            return False
        digest = file_hash(target)
        if file.hash_problem(digest, lambda: file_hash(target, "md5")):
            return False
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


class FileState(NamedTuple):
    """What changes when a file is written to or another one takes its name."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int


_HASHES: dict[tuple[str, FileState, str], str] = {}


def file_state(path: Path) -> FileState:
    """The state of the file that has this name now.

    Raises:
        OSError: if there is none.
    """
    return _state(path.stat())


def _state(found: os.stat_result) -> FileState:
    return FileState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def file_hash(path: Path, algorithm: str = "sha256") -> str:
    """The hash of a file; from memory where the file is the same and has not been written to since.

    `KERAS_SSL_VERIFY=1` in the environment reads it always.

    Args:
        path: of the file.
        algorithm: "sha256" (default) or "md5".
    """
    with open_regular(path) as stream:
        state = _state(os.fstat(stream.fileno()))
        key = (str(path), state, algorithm)
        if key in _HASHES and not is_set("KERAS_SSL_VERIFY"):
            return _HASHES[key]
        digest = hashlib.file_digest(stream, HASHERS[algorithm]).hexdigest()
        after = os.fstat(stream.fileno())
    if _state(after) == state and time.time() - max(after.st_mtime, after.st_ctime) >= SETTLED:
        _HASHES[key] = digest
    return digest
