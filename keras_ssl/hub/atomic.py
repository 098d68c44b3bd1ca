"""Files and folders that appear whole or not at all."""

import errno
import glob
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from keras_ssl.paths import user_path

_ATTEMPTS = 100  # to replace a folder that others replace at the same time
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR, errno.EACCES)  # the last one is how Windows says it


@contextmanager
def atomic_file(path: str | os.PathLike[str], room: int = 0) -> Iterator[Path]:
    """Yields a path beside `path` to write to; renames it to `path` when the block ends without an error.

    The path that is yielded is of this process alone and ends as `path` does, for writers that go by the
    ending. An existing file is replaced. After an error nothing is left behind, and an existing file is as it
    was.

    Args:
        path: the file to write. Its folder must exist.
        room: bytes that must be free before anything is written, for writers that fail badly in the middle, as HDF5
            does. Defaults to 0.

    Raises:
        OSError: if fewer bytes are free.

    Example:

    ```python
    with atomic_file("run/model.weights.h5") as staging:
        model.save_weights(staging)
    ```
    """
    target = Path(user_path(path))
    staging = target.with_name(f".{uuid.uuid4().hex}-{target.name}")
    if room and shutil.disk_usage(target.parent).free < room:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {room} bytes are needed", os.fspath(target))
    try:
        yield staging
        os.replace(staging, target)
    finally:
        staging.unlink(missing_ok=True)


def remove_leftovers(path: str | os.PathLike[str], age: float) -> None:
    """Removes what killed processes left of `atomic_file(path)`: files not written to for `age` seconds."""
    target = Path(path)
    ours = [
        leftover
        for leftover in target.parent.glob(f".*-{glob.escape(target.name)}")
        if re.fullmatch("[0-9a-f]{32}", leftover.name[1 : -len(target.name) - 1])
    ]
    with suppress(OSError):  # where the folder takes no file, none of it can be removed either
        now = _time_there(target) if ours else 0.0
        for leftover in ours:
            with suppress(OSError):  # another process was faster
                if now - leftover.stat().st_mtime > age:
                    leftover.unlink()


def _time_there(target: Path) -> float:
    """The time by the clock that dates the folder's files, which on a shared disk is not that of this machine."""
    probe = target.with_name(f".{uuid.uuid4().hex}-{target.name}")
    try:
        with open(probe, "xb") as stream:
            return os.fstat(stream.fileno()).st_mtime
    finally:
        probe.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """Yields an empty folder beside `path` to fill; renames it to `path` when the block ends without an
    error.

    Args:
        path: the folder to make. Folders above it are made where they are missing.
        overwrite: whether an existing folder is replaced, by two renames; if the second fails, the first is
            taken back. Of several processes that replace it at once, the last one's folder stays, whole.

    Raises:
        FileExistsError: if `path` exists and `overwrite` is false.
    """
    target = Path(user_path(path)).absolute()
    if os.path.lexists(target) and not overwrite:
        raise FileExistsError(f"`path` exists already. Received: path={str(path)!r}")
    made = _make_folders(target.parent)
    staging = target.with_name(f".{uuid.uuid4().hex}-{target.name}")
    retired: list[Path] = []
    try:
        staging.mkdir()
        yield staging
        if not overwrite and os.path.lexists(target):
            raise FileExistsError(f"`path` came into being meanwhile. Received: path={str(path)!r}")
        _put(staging, target, retired if overwrite else None)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        for old in reversed(retired):
            with suppress(OSError):  # another process has put its own there
                os.rename(old, target)
        for folder in reversed(made):
            try:
                folder.rmdir()
            except OSError:
                break  # someone else has put something into it
        raise
    finally:
        for old in retired:
            shutil.rmtree(old, ignore_errors=True)
            with suppress(OSError):  # it was a link
                old.unlink()


def _put(staging: Path, target: Path, retired: list[Path] | None) -> None:
    """Renames `staging` to `target`; what is there before is put aside, and the name it then has into `retired`.

    No system call exchanges two folders everywhere, so another process that overwrites `target` at the same time may
    put its folder there between our two renames. Then ours takes its place in turn: the last one stays.
    """
    for attempt in range(_ATTEMPTS):
        try:
            os.rename(staging, target)
            return
        except OSError as error:
            if retired is None or error.errno not in _TAKEN or attempt == _ATTEMPTS - 1:
                raise
        retired.append(target.with_name(f".{uuid.uuid4().hex}-old-{target.name}"))
        with suppress(FileNotFoundError):  # another process has put it aside
            os.rename(target, retired[-1])


def _make_folders(folder: Path) -> list[Path]:
    """Makes a folder and those above it; returns the new ones, the topmost first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
    return missing[::-1]
