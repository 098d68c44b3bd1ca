"""Checkpoints on a disk: a folder for each, named after its step, whole or not there."""

import hashlib
import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from keras_ssl.checkpoints.write_safetensors import write_safetensors
from keras_ssl.hub.atomic import atomic_folder

VARIABLES, STATE = "variables.safetensors", "state.json"
_NAME = re.compile(r"step-(\d{10})")
_STAGING = re.compile(r"\.[0-9a-f]{32}-(old-)?step-\d{10}")


_SIZES, _HASHES, _DIGEST = "sizes", "sha256", "digest"
_PARTS: dict[str, type] = {
    "step": int,
    "seed": int,
    "position": dict,
    "logs": dict,
    "history": dict,
    "scalar_names": list,
    "settings": dict,
    _SIZES: dict,
}
_BLOCK = 2**20


@dataclass(frozen=True)
class SavedCheckpoint:
    """A checkpoint on the disk whose state is whole and whose other files have their size.

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

    def damage(self) -> str | None:
        """What is wrong with the bytes of its files, which are all read; None if they are those that were written.

        Checkpoints of version 0.1.0 have no hashes: of these, only what cannot be read shows.
        """
        if _HASHES not in self.state:
            try:
                load_file(self.path / VARIABLES)
            except (SafetensorError, OSError, KeyError, ValueError, MemoryError) as error:
                return f"{VARIABLES} cannot be read: {error}"
        for name, expected in self.state.get(_HASHES, {}).items():
            try:
                with open(self.path / name, "rb") as file:
                    digest = hashlib.sha256()
                    while block := file.read(_BLOCK):
                        digest.update(block)
            except OSError as error:
                return f"{name} cannot be read: {error.strerror or error}"
            if digest.hexdigest() != expected:
                return f"the bytes of {name} are not those that were written"
        return None


def checkpoint_path(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step stands."""
    return folder / f"step-{step:010}"


def write_checkpoint(folder: Path, tensors: dict[str, np.ndarray], state: dict[str, Any]) -> Path:
    """Writes a checkpoint beside its place and renames it to it; the disk has all of it before it has its name.

    The state says the size and the SHA-256 of the variables, and ends with a digest of itself.

    Raises:
        OSError: if it cannot be written; the folder is then as it was.
    """
    path = checkpoint_path(folder, state["step"])
    with atomic_folder(path, overwrite=True) as staging:
        digest = write_safetensors(tensors, staging / VARIABLES)
        size = (staging / VARIABLES).stat().st_size
        state = {**state, _SIZES: {VARIABLES: size}, _HASHES: {VARIABLES: digest}}
        state = json.loads(json.dumps(state))  # as it is read again
        text = json.dumps({**state, _DIGEST: _digest(state)}, indent=1)
        with open(staging / STATE, "w", encoding="utf-8") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        _sync(staging)
    _sync(folder)
    return path


def read_checkpoint_state(path: Path) -> SavedCheckpoint | None:
    """A checkpoint, or None where its state is damaged or a file has another size; see `SavedCheckpoint.damage`."""
    try:
        if not (path / STATE).is_file():  # a pipe would have to be waited for
            return None
        state = json.loads((path / STATE).read_text(encoding="utf-8"))
        if not _is_state(state, path):
            return None
        files = {name: path / name for name in state[_SIZES]}
        whole = all(file.is_file() and file.stat().st_size == state[_SIZES][name] for name, file in files.items())
        return SavedCheckpoint(path, state) if whole else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError):
        return None


def _is_state(state: Any, path: Path) -> bool:
    """Whether this is what `write_checkpoint` has written for a folder."""
    if not isinstance(state, dict) or checkpoint_path(path.parent, state["step"]).name != path.name:
        return False
    if _HASHES in state or _DIGEST in state:
        return state[_DIGEST] == _digest(state) and VARIABLES in state[_HASHES] and VARIABLES in state[_SIZES]
    # Of version 0.1.0, which had no digest.
    return VARIABLES in state[_SIZES] and all(isinstance(state[name], kind) for name, kind in _PARTS.items())


def _digest(state: dict[str, Any]) -> str:
    """The SHA-256 of a state's content, however it is laid out in its file."""
    content = {name: value for name, value in state.items() if name != _DIGEST}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def set_aside(saved: SavedCheckpoint) -> None:
    """Leaves a damaged checkpoint where it is, and has it be taken for one no more: its state gets another name."""
    with suppress(OSError):
        os.replace(saved.path / STATE, saved.path / f"{STATE}.damaged")


def saved_checkpoints(folder: Path) -> tuple[list[SavedCheckpoint], list[Path]]:
    """The checkpoints in a folder, by step, and the folders with such a name that do not hold one."""
    whole, damaged = [], []
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if _NAME.fullmatch(path.name):
            saved = read_checkpoint_state(path)
            if saved is None:
                damaged.append(path)
            else:
                whole.append(saved)
    return whole, damaged


def latest_whole(folder: Path) -> SavedCheckpoint | None:
    """The latest checkpoint in a folder whose bytes are all those that were written."""
    return next((saved for saved in reversed(saved_checkpoints(folder)[0]) if saved.damage() is None), None)


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
