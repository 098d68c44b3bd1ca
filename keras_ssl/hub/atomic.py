"""Files and folders that appear whole or not at all."""

import glob
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yields a path beside `path` to write to; renames it to `path` when the block ends without an error.

    The path that is yielded is of this process alone and ends as `path` does, for writers that go by the
    ending. An existing file is replaced. After an error nothing is left behind, and an existing file is as it
    was.

    Args:
        path: the file to write. Its folder must exist.

    Example:

    ```python
    with atomic_file("run/model.weights.h5") as staging:
        model.save_weights(staging)
    ```
    """
    target = Path(path)
    staging = target.with_name(f".{uuid.uuid4().hex}-{target.name}")
    try:
        yield staging
        os.replace(staging, target)
    finally:
        staging.unlink(missing_ok=True)


def remove_leftovers(path: str | os.PathLike[str], age: float) -> None:
    """Removes what killed processes left of `atomic_file(path)`: files not written to for `age` seconds."""
    target = Path(path)
    for leftover in target.parent.glob(f".*-{glob.escape(target.name)}"):
        if re.fullmatch("[0-9a-f]{32}", leftover.name[1 : -len(target.name) - 1]):
            try:
                if time.time() - leftover.stat().st_mtime > age:
                    leftover.unlink()
            except OSError:
                pass  # another process was faster


@contextmanager
def atomic_folder(path: str | os.PathLike[str], overwrite: bool = False) -> Iterator[Path]:
    """Yields an empty folder beside `path` to fill; renames it to `path` when the block ends without an
    error.

    Args:
        path: the folder to make. Folders above it are made where they are missing.
        overwrite: whether an existing folder is replaced, by two renames; if the second fails, the first is
            taken back.

    Raises:
        FileExistsError: if `path` exists and `overwrite` is false.
    """
    target = Path(path).absolute()
    if os.path.lexists(target) and not overwrite:
        raise FileExistsError(f"`path` exists already. Received: path={str(path)!r}")
    made = _make_folders(target.parent)
    staging = target.with_name(f".{uuid.uuid4().hex}-{target.name}")
    retired = target.with_name(f".{uuid.uuid4().hex}-old-{target.name}")
    try:
        staging.mkdir()
        yield staging
        replaced = os.path.lexists(target)
        if replaced:
            if not overwrite:
                raise FileExistsError(f"`path` came into being meanwhile. Received: path={str(path)!r}")
            os.rename(target, retired)
        try:
            os.rename(staging, target)
        except OSError:
            if replaced:
                os.rename(retired, target)
            raise
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        for folder in reversed(made):
            try:
                folder.rmdir()
            except OSError:
                break  # someone else has put something into it
        raise
    shutil.rmtree(retired, ignore_errors=True)


def _make_folders(folder: Path) -> list[Path]:
    """Makes a folder and those above it; returns the new ones, the topmost first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for new in reversed(missing):
        new.mkdir(exist_ok=True)
    return missing[::-1]
