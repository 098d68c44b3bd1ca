"""The things that a recipe can name, and what each can be told."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras

from keras_ssl import optimizers, schedules, views
from keras_ssl.hub.card import library_encoders
from keras_ssl.hub.recipe_data import data_source
from keras_ssl.hub.signatures import known_arguments
from keras_ssl.hub.suggestion import suggestion
from keras_ssl.hub.training_section import TRAINING_DEFAULTS
from keras_ssl.hub.view_pipeline import pipeline
from keras_ssl.layers import ImagePreprocessing
from keras_ssl.registry import find, names

# What a recipe says elsewhere: an objective is given its encoder and views by their sections, its seed by
# `training`, and a schedule its peak by `optimizer.learning_rate` and its steps by epochs and data.
_SAID_ELSEWHERE: dict[str, set[str]] = {
    "objective": {"encoder", "views", "preprocessing", "value_range", "seed", "name", "dtype"},
    "encoder": {"name", "include_top", "weights", "input_tensor", "classes", "classifier_activation"},
    "views": {"name"},
    "optimizer": {"name"},
    "schedule": {"name", "peak", "total_steps", "warmup_steps"},
}
MADE_BY_RECIPE: dict[str, tuple[str, ...]] = {"optimizer": ("layer_decay",), "schedule": ("warmup_epochs",)}
"""Keys of a section that what it names does not know: the recipe itself makes something of them."""
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
        return Component(ImagePreprocessing, ("mean", "std", "value_range", "clip"))
    name = table.get("name")
    if not isinstance(name, str):
        raise ValueError(f"The section [{section}] of a recipe must have a `name`. Received: {section}.name={name!r}")
    if section == "data":
        source = data_source(name)
        return Component(source.read, source.settings)
    entry = find(section, name)
    if entry is None:
        known_names = _registry(section)
        if name not in known_names:
            raise ValueError(
                f"`{section}.name` is unknown. {suggestion(name, known_names)} Received: {section}.name={name!r}"
            )
    target = known_names[name] if entry is None else entry.target
    known = known_arguments(target, stop="keras." if section == "objective" else "")
    own = [argument for argument in known if argument not in _SAID_ELSEWHERE[section]]
    made = MADE_BY_RECIPE.get(section, ())
    return Component(target, (*made, *own) if section == "schedule" else (*own, *made))


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
    others = {name: entry.target for name in names(section) if (entry := find(section, name)) is not None}
    if section == "objective":
        return others
    if section == "encoder":
        return {**library_encoders(), **_applications(), **others}
    if section == "optimizer":
        return {**_members(keras.optimizers, keras.optimizers.Optimizer), **_members(optimizers), **others}
    if section == "schedule":
        return {**_members(schedules, keras.optimizers.schedules.LearningRateSchedule), **others}
    members = {name: getattr(views, name) for name in views.__all__}
    papers = {name: value for name, value in members.items() if value.__module__ == "keras_ssl.views.recipes"}
    return {**papers, "pipeline": pipeline, **others}


def _applications() -> dict[str, Any]:
    """The functions of `keras.applications`, by names such as "keras.applications.MobileNetV2".

    They are called without a classifier and trained weights, with average pooling, and without preprocessing of their
    own where they can be told so.
    """
    made = {}
    for name, value in vars(keras.applications).items():
        if inspect.isfunction(value):
            own = {"include_top": False, "weights": None, "pooling": "avg", "include_preprocessing": False}
            known = inspect.signature(value).parameters
            made[f"keras.applications.{name}"] = partial(
                value, **{key: setting for key, setting in own.items() if key in known}
            )
    return made


def _members(module: Any, kind: type | None = None) -> dict[str, Any]:
    """The public classes of a module, all or the subclasses of `kind`."""
    names = getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")]
    classes = {name: value for name in names if inspect.isclass(value := getattr(module, name))}
    return {name: value for name, value in classes.items() if kind is None or issubclass(value, kind)}
