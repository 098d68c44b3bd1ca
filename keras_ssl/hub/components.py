"""The things that a recipe can name, and what each can be told."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from keras_ssl import objectives, optimizers, schedules, views
from keras_ssl.hub.card import library_encoders
from keras_ssl.hub.recipe_data import data_source
from keras_ssl.hub.signatures import known_arguments
from keras_ssl.hub.suggestion import suggestion
from keras_ssl.hub.training_section import TRAINING_DEFAULTS
from keras_ssl.hub.view_pipeline import pipeline
from keras_ssl.layers import ImagePreprocessing

# What a recipe says elsewhere: an objective is given its encoder and views by their sections, its seed by
# `training`, and a schedule its peak by `optimizer.learning_rate` and its steps by epochs and data.
_SAID_ELSEWHERE: dict[str, set[str]] = {
    "objective": {"encoder", "views", "preprocessing", "seed", "name", "dtype"},
    "encoder": {"name"},
    "views": {"name"},
    "optimizer": {"name"},
    "schedule": {"name", "peak", "total_steps", "warmup_steps"},
}
NAMED_SECTIONS = (*_SAID_ELSEWHERE, "data")
SECTIONS = ("objective", "encoder", "views", "preprocessing", "optimizer", "schedule", "training", "data")
REQUIRED_SECTIONS = ("objective", "encoder", "optimizer")


@dataclass(frozen=True)
class Component:
    """What a section of a recipe makes.

    Args:
        target: class or function to call; None for `training`, which is not one thing.
        known: keys of the section besides `name`.
    """

    target: Callable[..., Any] | None
    known: tuple[str, ...]


def component(section: str, table: Mapping[str, Any]) -> Component:
    """What the section `section` of a recipe makes, by its `name`.

    Raises:
        ValueError: if the section has no name, or an unknown one (the closest names are suggested).
    """
    if section == "training":
        return Component(None, tuple(TRAINING_DEFAULTS))
    if section == "preprocessing":
        return Component(ImagePreprocessing, ("mean", "std"))
    name = table.get("name")
    if not isinstance(name, str):
        raise ValueError(f"The section [{section}] of a recipe must have a `name`. Received: {section}.name={name!r}")
    if section == "data":
        source = data_source(name)
        return Component(source.read, source.settings)
    registry = _registry(section)
    if name not in registry:
        raise ValueError(f"`{section}.name` is unknown. {suggestion(name, registry)} Received: {section}.name={name!r}")
    target = registry[name]
    known = known_arguments(target, stop="keras." if section == "objective" else "")
    own = [argument for argument in known if argument not in _SAID_ELSEWHERE[section]]
    if section == "schedule":
        own.insert(0, "warmup_epochs")
    return Component(target, tuple(own))


def check_keys(section: str, table: Mapping[str, Any]) -> None:
    """Raises where a section has a key that what it makes does not know; the message lists those it knows."""
    known = component(section, table).known
    named = section in NAMED_SECTIONS
    unknown = sorted(set(table) - set(known) - ({"name"} if named else set()))
    if unknown:
        key = unknown[0]
        raise ValueError(
            f"{table['name'] if named else section} has no setting {key!r}; "
            f"[{section}] knows {', '.join(known) or 'no settings'}. Received: {section}.{key}={table[key]!r}"
        )


def _registry(section: str) -> dict[str, Any]:
    if section == "encoder":
        return dict(library_encoders())
    if section == "optimizer":
        return {**_members(keras.optimizers, keras.optimizers.Optimizer), **_members(optimizers)}
    if section == "schedule":
        return _members(schedules, keras.optimizers.schedules.LearningRateSchedule)
    if section == "objective":
        return _members(objectives)
    members = {name: getattr(views, name) for name in views.__all__}
    papers = {name: value for name, value in members.items() if value.__module__ == "keras_ssl.views.recipes"}
    return {**papers, "pipeline": pipeline}


def _members(module: Any, kind: type | None = None) -> dict[str, Any]:
    """The public classes of a module, all or the subclasses of `kind`."""
    names = getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")]
    classes = {name: value for name in names if inspect.isclass(value := getattr(module, name))}
    return {name: value for name, value in classes.items() if kind is None or issubclass(value, kind)}
