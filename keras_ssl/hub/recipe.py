"""A recipe: everything that a pretraining run is made of, in a TOML file."""

import os
import tomllib
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from keras_ssl.encoders import columns_of
from keras_ssl.hub.atomic import atomic_file
from keras_ssl.hub.catalogue import data_folder
from keras_ssl.hub.components import (
    MADE_BY_RECIPE,
    NAMED_SECTIONS,
    REQUIRED_SECTIONS,
    SECTIONS,
    check_keys,
    component,
)
from keras_ssl.hub.parse_text import ODD_VALUES, parse_text, read_toml, reason, shown_path
from keras_ssl.hub.recipe_data import data_source, training_batches
from keras_ssl.hub.starting_point import check_views_fit, entry_preprocessing
from keras_ssl.hub.suggestion import is_path, suggestion
from keras_ssl.hub.toml_files import from_toml, toml_text
from keras_ssl.hub.training_section import TRAINING_DEFAULTS, check_training
from keras_ssl.optimizers import LayerWiseRates
from keras_ssl.paths import user_path
from keras_ssl.precision import dtype_policy
from keras_ssl.random import seeded_initializers
from keras_ssl.training import SSLModel, encoder_rates
from keras_ssl.views import OwnViews


def list_recipes() -> list[str]:
    """Sorted names of the recipes that come with the library.

    Example:

    >>> "simclr_digits" in list_recipes()
    True
    """
    return sorted(path.stem for path in (data_folder("zoo") / "recipes").glob("*.toml"))


@dataclass(frozen=True)
class Recipe:
    """Everything that a pretraining run is made of.

    A recipe has the sections `objective`, `encoder`, `views`, `preprocessing`, `optimizer`, `schedule`,
    `training` and `data`. Most name a thing of this library (`name = "BarlowTwins"`; of Keras too for
    optimizers) and give some of its arguments; `preprocessing` gives the `mean` and `std` of the pixels,
    `training` gives batch_size (256), epochs (100), seed (0), precision ("float32", a Keras dtype policy) and
    jit_compile ("auto"). The encoder `Pretrained` is that of an `entry` of the zoo. Any optimizer takes
    `layer_decay`, by which the rates of its encoder's earlier blocks are smaller (see
    `keras_ssl.training.encoder_rates`). A schedule counts in epochs (`warmup_epochs`) and rises to
    `optimizer.learning_rate`. Without `views` the objective's own are used, without `schedule` the rate is
    constant.

    The keys that a section knows are the arguments of what it names, by inspection; others are errors, when
    the recipe is read. A recipe never changes: `override` returns a new one.

    Args:
        sections: the sections by name.

    Raises:
        ValueError: for an unknown section, name or key, a missing section, or values of `training` out of
            range. The message lists what is known.

    Example:

    >>> recipe = Recipe.read("simclr_digits").override("training.epochs=9", "optimizer.learning_rate=1e-3")
    >>> recipe.sections["training"]["epochs"]
    9
    """

    sections: dict[str, dict[str, Any]]

    def __post_init__(self) -> None:
        sections = deepcopy(self.sections)
        for section in sections:
            if section not in SECTIONS:
                raise ValueError(f"A recipe has the sections {', '.join(SECTIONS)}. Received: section={section!r}")
            if not isinstance(sections[section], dict):
                raise ValueError(f"A section of a recipe must be a table. Received: {section}={sections[section]!r}")
        missing = [section for section in REQUIRED_SECTIONS if section not in sections]
        if missing:
            raise ValueError(
                f"A recipe must have the sections {', '.join(REQUIRED_SECTIONS)}. "
                f"Received: sections={', '.join(sections)}"
            )
        for section, table in sections.items():
            # Data is looked at when it is read: a run's recipe may outlive its data's place on a disk.
            if section != "data":
                check_keys(section, table)
        sections["training"] = {**TRAINING_DEFAULTS, **sections.get("training", {})}
        check_training(sections)
        object.__setattr__(self, "sections", {name: sections[name] for name in SECTIONS if name in sections})

    @classmethod
    def read(cls, name_or_path: str | os.PathLike[str]) -> "Recipe":
        """A recipe of the library by name, or of a TOML file.

        Raises:
            ValueError: if there is none (the closest names are suggested), or it is not a valid recipe.
        """
        text = os.fsdecode(name_or_path)
        path = data_folder("zoo") / "recipes" / f"{text}.toml" if text in list_recipes() else Path(user_path(text))
        if not os.path.isfile(path):  # unlike `Path.is_file`, it is false for names that no file can have
            problem = "There is no such file." if is_path(text) else "No recipe has this name, nor is it a file."
            raise ValueError(f"{problem} {suggestion(text, list_recipes())} Received: recipe={shown_path(text)}")
        tables = _extended(read_toml(path))
        try:
            return cls(from_toml(tables))
        except ValueError as error:
            raise ValueError(f"{error} (in the recipe {str(path)!r})") from error

    def override(self, *settings: str) -> "Recipe":
        """A recipe with other values.

        Args:
            *settings: as in "optimizer.learning_rate=0.1". Values are read as TOML (numbers, true, false,
                lists, quoted texts); what is not TOML is a text, and the word none is None. Where a section's
                `name` changes, its other values are dropped, as they were another thing's.

        Raises:
            ValueError: if a setting has not this form, or the new recipe is not valid.
        """
        sections = deepcopy(self.sections)
        parsed = [parse_setting(setting) for setting in settings]
        # Names first: they decide what the other settings mean.
        for section, key, value in sorted(parsed, key=lambda item: item[1] != "name"):
            table = sections.setdefault(section, {})
            if key == "name" and section in NAMED_SECTIONS and value != table.get("name"):
                table.clear()
            table[key] = value
        return Recipe(sections)

    def text(self) -> str:
        """The recipe as TOML, with every default of `training`."""
        return toml_text(self.sections)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes the recipe to a TOML file, which appears whole or not at all."""
        with atomic_file(path) as staging:
            staging.write_text(self.text(), encoding="utf-8")

    def build_model(self) -> SSLModel:
        """The objective around its encoder, not compiled; initial weights follow from `training.seed`.

        An encoder of a table that is not told its `columns` takes their statistics from the data.

        Raises:
            ValueError: if a value is out of range; the message names the section.
        """
        training = self.sections["training"]
        with dtype_policy(training["precision"]), seeded_initializers(training["seed"]):
            encoder = self.build("encoder", **self._columns())
            given = {section: self.build(section) for section in ("views", "preprocessing") if section in self.sections}
            entry = self.entry
            if entry is not None:
                given.setdefault("preprocessing", entry_preprocessing(entry))
            model = self.build("objective", encoder=encoder, seed=training["seed"], **given)
        if entry is not None:
            _call("views", check_views_fit, model=model)
        return model

    @property
    def entry(self) -> str | None:
        """The entry of the zoo whose encoder training goes on from; None for an encoder that begins anew."""
        encoder = self.sections["encoder"]
        return encoder.get("entry") if encoder["name"] == "Pretrained" else None

    def _columns(self) -> dict[str, Any]:
        """What an encoder of a table is told of its columns: what the training data say, unless the recipe does."""
        table = self.sections["encoder"]
        if "columns" in table or "columns" not in component("encoder", table).known or "data" not in self.sections:
            return {}
        source, settings = data_source(self.sections["data"]["name"]), self.sections["data"]
        images = source.read(**{key: value for key, value in settings.items() if key in source.known and key != "name"})
        return {"columns": columns_of(images.x)} if isinstance(images.x, dict) else {}

    def build_optimizer(self, steps_per_epoch: int, model: SSLModel | None = None) -> keras.optimizers.Optimizer:
        """The optimizer, its learning rate following the schedule where there is one.

        Args:
            steps_per_epoch: batches of an epoch, in which the schedule's epochs are counted.
            model: what it is to train, whose encoder's blocks `layer_decay` counts. Defaults to None: there must be no
                `layer_decay`.

        Raises:
            ValueError: if a value is out of range, or `model` is missing; the message names the section.
        """
        optimizer = self._plain_optimizer(steps_per_epoch)
        decay = self.sections["optimizer"].get("layer_decay")
        if decay is None:
            return optimizer
        if model is None:
            raise ValueError(f"`model` must be given where there is a `layer_decay`. Received: layer_decay={decay}")
        rates = _call("optimizer", encoder_rates, encoder=model.encoder, decay=decay)
        return _call("optimizer", LayerWiseRates, optimizer=optimizer, multipliers=rates)

    def _plain_optimizer(self, steps_per_epoch: int) -> keras.optimizers.Optimizer:
        if "schedule" not in self.sections:
            return self.build("optimizer")
        total = self.sections["training"]["epochs"] * steps_per_epoch
        warmup = round(self.sections["schedule"].get("warmup_epochs", 0) * steps_per_epoch)
        peak = self.sections["optimizer"]["learning_rate"]
        schedule = self.build("schedule", peak=peak, total_steps=total, warmup_steps=warmup)
        return self.build("optimizer", learning_rate=schedule)

    def build_data(self) -> tuple[Any, Any]:
        """The batches to train on, and `LabelledImages` to watch training with: None without labels.

        Raises:
            ValueError: if there is no section `data`, the data cannot be read, or it is less than a batch.
        """
        if "data" not in self.sections:
            raise ValueError("This recipe needs data: set `data.name`. Received: no section [data]")
        table = self.sections["data"]
        check_keys("data", table)
        source = data_source(table["name"])
        arguments = {key: value for key, value in table.items() if key != "name"}
        if "size" in source.known and source.train is not None and "size" in self.sections.get("views", {}):
            arguments.setdefault("size", self.sections["views"]["size"])
        if source.train is not None and "size" not in arguments and not table["name"].startswith("tfds:"):
            raise ValueError(
                "`data.size` must say the side of images from files, in pixels, where the views do not. "
                f"Received: data.name={table['name']!r}, no data.size"
            )
        training = self.sections["training"]
        return _call(
            "data",
            training_batches,
            source=source,
            arguments=arguments,
            batch_size=training["batch_size"],
            seed=training["seed"],
            views=self._crops() if "crops" in arguments and "views" in self.sections else None,
        )

    def _crops(self) -> Any:
        """The views whose random crops the data are to hold: the objective's own where the recipe says so."""
        views = self.build("views")
        return self.build_model().views if isinstance(views, OwnViews) else views

    def build(self, section: str, **given: Any) -> Any:
        """What a section makes: called with the section's values and with what is `given`.

        Args:
            section: one of `objective`, `encoder`, `views`, `preprocessing`, `optimizer`, `schedule`.
            **given: further arguments, which come before the section's own.

        Raises:
            ValueError: if a value is out of range; the message names the section.
        """
        table = self.sections[section]
        made_elsewhere = {"name", *MADE_BY_RECIPE.get(section, ())}
        arguments = {key: value for key, value in table.items() if key not in made_elsewhere}
        target = component(section, table).target
        return _call(section, target, **{**arguments, **given})


def _extended(tables: dict[str, Any]) -> dict[str, Any]:
    """The tables of a recipe over those of the one that it extends: `extends = "digits"` names a file of
    zoo/recipes/_base. A section that names another thing replaces the base's; otherwise its keys come before them."""
    if "extends" not in tables:
        return tables
    own = dict(tables)
    base_name = own.pop("extends")
    folder = data_folder("zoo") / "recipes" / "_base"
    known = sorted(path.stem for path in folder.glob("*.toml"))
    if base_name not in known:
        raise ValueError(f"`extends` must be one of {', '.join(known)}. Received: extends={base_name!r}")
    merged = _extended(read_toml(folder / f"{base_name}.toml"))
    for section, table in own.items():
        under = merged.get(section, {})
        alike = isinstance(table, dict) and table.get("name", under.get("name")) == under.get("name")
        merged[section] = {**under, **table} if alike else table
    return merged


def _call(section: str, target: Any, /, **arguments: Any) -> Any:
    try:
        return target(**arguments)
    except ODD_VALUES as error:
        raise ValueError(f"In section [{section}] of the recipe: {reason(error)}") from error


def parse_setting(setting: str) -> tuple[str, str, Any]:
    """Section, key and value of a setting such as "optimizer.learning_rate=0.1", as for `Recipe.override`."""
    place, equals, text = setting.partition("=")
    section, dot, key = place.strip().partition(".")
    if not (equals and dot and section and key):
        raise ValueError(f"A setting has the form section.key=value. Received: {shown_path(setting)}")
    try:
        values = parse_text(f"value = {text.strip()}")
    except tomllib.TOMLDecodeError:
        values = {}
    except ValueError as error:
        raise ValueError(f"A setting's value cannot be read: {error}. Received: {shown_path(setting)}") from error
    value = values["value"] if set(values) == {"value"} else text.strip()
    return section, key, from_toml(value)
