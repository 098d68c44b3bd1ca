"""The curves of a run, from the files in its folder."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from keras_ssl.paths import user_path


def read_history(logdir: str | os.PathLike[str]) -> dict[str, list[float | None]]:
    """What a run logged in every epoch.

    It is in `history.json`, which `scripts/pretrain.py` writes when it ends, or else, for a run that still goes on
    or another's, in the files of Keras' TensorBoard callback.

    Args:
        logdir: the folder of the run.

    Returns:
        A list for each name: a number for each epoch, NaN where it was not finite, None where there was none, as
        between two evaluations.

    Raises:
        ValueError: if the folder has neither, or `history.json` is not what it should be.

    Example:

    ```python
    curves = keras_ssl.report.read_history("runs/1")
    curves["loss"][-1]
    ```
    """
    folder = Path(user_path(logdir))
    path = folder / "history.json"
    if path.is_file():
        return _from_json(path)
    found = {name: values for part in ("train", "validation") for name, values in _from_events(folder / part).items()}
    if not found:
        raise ValueError(
            "Argument `logdir` must be the folder of a run: it holds neither history.json nor TensorBoard's files of "
            f"epochs. Received: logdir={str(folder)!r}"
        )
    return found


def _from_json(path: Path) -> dict[str, list[float | None]]:
    try:
        history = json.loads(path.read_text(encoding="utf-8"))
        return {
            str(name): [None if value is None else _number(value) for value in values]
            for name, values in history.items()
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"A history must be lists of numbers by name ({error}). Received: {str(path)!r}") from error


def _from_events(folder: Path) -> dict[str, list[float | None]]:
    """The scalars that are logged at the end of epochs, by their names in the history."""
    if not list(folder.glob("events.*")):
        return {}
    from tensorboard.backend.event_processing.event_accumulator import TENSORS, EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    events = EventAccumulator(str(folder), size_guidance={TENSORS: 0}).Reload()
    prefix = "val_" if folder.name == "validation" else ""
    found: dict[str, list[float | None]] = {}
    for tag in events.Tags()["tensors"]:
        if tag.startswith("epoch_"):
            numbers = {event.step: _number(make_ndarray(event.tensor_proto)) for event in events.Tensors(tag)}
            found[prefix + tag.removeprefix("epoch_")] = [numbers.get(epoch) for epoch in range(max(numbers) + 1)]
    return found


def _number(value: Any) -> float:
    number = float(value)
    return number if np.isfinite(number) else np.nan
