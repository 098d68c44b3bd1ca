"""Checkpoints on a disk: a folder for each, named after its step, whole or not there."""

import json
import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keras_ssl.checkpoints.write_safetensors import write_safetensors
from keras_ssl.hub.atomic import atomic_folder

VARIABLES, STATE = "variables.safetensors", "state.json"
_NAME = re.compile(r"step-(\d{10})")
_STAGING = re.compile(r"\.[0-9a-f]{32}-(old-)?step-\d{10}")


@dataclass(frozen=True)
class SavedCheckpoint:
    """A whole checkpoint on the disk.

    Args:
        path: its folder.
        state: what `state.json` holds.
    """

    path: Path
    state: dict[str, Any]

    @property
    def step(self) -> int:
        """Training steps that were taken before it."""
        return int(self.state["step"])


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step stands."""
    return folder / f"step-{step:010}"


def write_checkpoint(folder: Path, tensors: dict[str, np.ndarray], state: dict[str, Any]) -> Path:
    """Writes a checkpoint beside its place and renames it to it; the disk has all of it before it has its name.

    Raises:
        OSError: if it cannot be written; the folder is then as it was.
    """
    path = checkpoint_path(folder, state["step"])
    with atomic_folder(path, overwrite=True) as staging:
        write_safetensors(tensors, staging / VARIABLES)
        size = (staging / VARIABLES).stat().st_size
        text = json.dumps({**state, "sizes": {VARIABLES: size}}, indent=1)
        with open(staging / STATE, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        _sync(staging)
    _sync(folder)
    return path


def read_checkpoint_state(path: Path) -> SavedCheckpoint | None:
    """A checkpoint, or None where the folder does not hold a whole one."""
    try:
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
        whole = all((path / name).stat().st_size == size for name, size in state["sizes"].items())
        return SavedCheckpoint(path, state) if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def saved_checkpoints(folder: Path) -> tuple[list[SavedCheckpoint], list[Path]]:
    """The whole checkpoints in a folder, by step, and the folders with such a name that do not hold one."""
    whole, damaged = [], []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if _NAME.fullmatch(path.name):
            saved = read_checkpoint_state(path)
            if saved is None:
                damaged.append(path)
            else:
                whole.append(saved)
    return whole, damaged


def best_checkpoint(saved: list[SavedCheckpoint], metric: str, mode: str) -> SavedCheckpoint | None:
    """The checkpoint with the best value of a metric among those that have it; the first of equals."""
    sign = 1.0 if mode == "min" else -1.0
    values = {one.step: one.state["logs"].get(metric) for one in saved}
    rated = [one for one in saved if values[one.step] is not None and np.isfinite(values[one.step])]
    return min(rated, key=lambda one: (sign * values[one.step], one.step), default=None)


def remove_old_checkpoints(folder: Path, keep: int, metric: str | None, mode: str) -> None:
    """Removes all checkpoints but the last `keep` and the best."""
    saved, damaged = saved_checkpoints(folder)
    best = None if metric is None else best_checkpoint(saved, metric, mode)
    kept = {one.path for one in saved[-keep:]} | ({best.path} if best is not None else set())
    last = saved[-1].path if saved else None
    for path in [one.path for one in saved] + [path for path in damaged if last is not None and path < last]:
        if path not in kept:
            # The name goes first: a folder that is half removed must not look like a checkpoint.
            leftover = path.with_name(f".{'0' * 32}-old-{path.name}")
            shutil.rmtree(leftover, ignore_errors=True)
            os.rename(path, leftover)
            shutil.rmtree(leftover, ignore_errors=True)


def remove_checkpoints(folder: Path) -> None:
    """Removes all checkpoints of a folder, and what killed processes left of some."""
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        if _NAME.fullmatch(path.name) or _STAGING.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)


def remove_staging(folder: Path) -> None:
    """Removes what killed processes left of checkpoints that they were writing or removing."""
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        if _STAGING.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)


def _sync(folder: Path) -> None:
    """Has the system put a folder's list of files on the disk, where it can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
