"""What must not change between the parts of a run, and what did."""

import json
import re
from typing import Any

import keras

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.training import SSLModel
from keras_ssl.training.resume import Run

SHOWN = 12
_NUMBERED = re.compile(r"([a-z][a-z0-9_]*?)_\d+")


def run_settings(model: SSLModel, run: Run, settings: dict[str, Any] | None) -> dict[str, Any]:
    """The configs of model and optimizer, the data's size and order, and the user's own settings, as plain JSON."""
    data: dict[str, Any] = {"steps_per_epoch": run.steps}
    if isinstance(run.data, EpochBatches):
        names = ("count", "batch_size", "seed", "shuffle", "drop_remainder")
        data |= {name: getattr(run.data, name) for name in names}
    return {
        "settings": _plain(settings or {}),
        "model": {"class": type(model).__name__, **_config(model)},
        "optimizer": {"class": type(model.optimizer).__name__, **_config(model.optimizer)},
        "data": _plain(data),
    }


def differences(saved: Any, now: Any, place: str = "") -> list[str]:
    """The places in which two settings differ, one text each: `model.queue_size: 65536 -> 4096`."""
    if isinstance(saved, dict) and isinstance(now, dict):
        keys = list(dict.fromkeys([*saved, *now]))
        return [
            line
            for key in keys
            for line in differences(saved.get(key, "none"), now.get(key, "none"), f"{place}.{key}" if place else key)
        ]
    if isinstance(saved, list) and isinstance(now, list) and len(saved) == len(now):
        pairs = enumerate(zip(saved, now, strict=True))
        return [line for number, (old, new) in pairs for line in differences(old, new, f"{place}[{number}]")]
    return [] if saved == now else [f"{place}: {_short(saved)} -> {_short(now)}"]


def _config(thing: Any) -> dict[str, Any]:
    try:
        return _without_numbers(_plain(keras.saving.serialize_keras_object(thing)["config"]))
    except (NotImplementedError, TypeError, ValueError):  # an encoder of the user's own may have none
        return {}


def _plain(value: Any) -> Any:
    return json.loads(json.dumps(value, default=lambda other: type(other).__name__))


def _without_numbers(value: Any) -> Any:
    """A config without the numbers that Keras gives to names: they count what else the process has made."""
    if isinstance(value, dict):
        return {key: _without_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_numbers(item) for item in value]
    numbered = _NUMBERED.fullmatch(value) if isinstance(value, str) else None
    return numbered[1] if numbered else value


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
