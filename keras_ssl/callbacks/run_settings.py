"""What must not change between the parts of a run, and what did."""

import json
import re
from collections.abc import Iterator
from typing import Any

import keras

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.fingerprint import data_fingerprint
from keras_ssl.training import SSLModel
from keras_ssl.training.resume import Run

SHOWN = 12
_NUMBERED = re.compile(r"([a-z][a-z0-9_]*?)_\d+")


def run_settings(model: SSLModel, run: Run, settings: dict[str, Any] | None) -> dict[str, Any]:
    """The configs of model and optimizer, the data's size, order and samples (by a fingerprint), and the user's own
    settings, as plain JSON."""
    data: dict[str, Any] = {"steps_per_epoch": run.steps}
    if isinstance(run.data, EpochBatches):
        names = ("count", "batch_size", "seed", "shuffle", "drop_remainder")
        data |= {name: getattr(run.data, name) for name in names}
    return {
        "settings": _plain(settings or {}),
        "model": {"class": type(model).__name__, **_config(model)},
        "optimizer": {"class": type(model.optimizer).__name__, **_config(model.optimizer)},
        "data": _plain(data),
        "samples": _plain(data_fingerprint(run.data)),
    }


def differences(saved: Any, now: Any, allowed: tuple[str, ...] = ()) -> list[str]:
    """The places in which two settings differ, one text each: `model.queue_size: 65536 -> 4096`.

    Args:
        saved: settings.
        now: other settings.
        allowed: places that may differ, and all that is below them. Defaults to none.
    """
    return [f"{place}: {change}" for place, change in _changes(saved, now) if not _is_below(place, allowed)]


def changed(saved: Any, now: Any, places: tuple[str, ...]) -> bool:
    """Whether two settings differ at one of these places or below."""
    return any(_is_below(place, places) for place, _ in _changes(saved, now))


def _is_below(place: str, places: tuple[str, ...]) -> bool:
    """Whether a place is one of others, or below one."""
    return any(place == other or place.startswith((f"{other}.", f"{other}[")) for other in places)


def _changes(saved: Any, now: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(saved, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*saved, *now]):
            yield from _changes(saved.get(key, "none"), now.get(key, "none"), f"{place}.{key}" if place else key)
    elif isinstance(saved, list) and isinstance(now, list) and len(saved) == len(now):
        for number, (old, new) in enumerate(zip(saved, now, strict=True)):
            yield from _changes(old, new, f"{place}[{number}]")
    elif saved != now:
        yield place, f"{_short(saved)} -> {_short(now)}"


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
