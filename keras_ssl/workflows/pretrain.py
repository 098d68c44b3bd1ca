"""Pretraining in one line."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from keras_ssl.data import from_arrays
from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.from_tf_data import from_tf_data, is_tf_data
from keras_ssl.hub.read_run import RECIPE_NAME, read_run
from keras_ssl.hub.recipe import Recipe
from keras_ssl.messages import say
from keras_ssl.paths import user_path
from keras_ssl.random import seeded_initializers
from keras_ssl.training import SSLModel
from keras_ssl.training.encoder_front import encoder_shapes
from keras_ssl.workflows.choices import Choice, DataFacts, choose, facts_of
from keras_ssl.workflows.file_settings import FileSettings
from keras_ssl.workflows.fitting_batch import settled_batch, train_what_fits
from keras_ssl.workflows.training_run import TrainingRun, is_finished

__all__ = ["pretrain"]

SMOKE_BATCHES = 2
"""Batches of the one epoch of a smoke test."""


def pretrain(
    data: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    method: str = "auto",
    encoder: str | keras.Model = "auto",
    start: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
    batch_size: int | None = None,
    epochs: int | None = None,
    bands: int | None = None,
    value_range: Sequence[float] | None = None,
    max_damaged: float | None = None,
    seed: int = 0,
    smoke: bool = False,
    overwrite: bool = False,
    verbose: int = 1,
) -> SSLModel:
    """Pretrains an encoder on images, with everything chosen that is not said; each choice is printed with its reason.

    The folder `out` gets the recipe, logs for TensorBoard, checkpoints and weights. Called again, it goes on where it
    was interrupted; a run that is finished is loaded. `keras_ssl.export(model, folder)` exports the encoder, and
    `keras_ssl.embed(model, data)` computes features.

    Args:
        data: a folder of images, or another name that `data.name` of a recipe takes; an array of images
            `[N, H, W, C]`; a data set of `keras_ssl.data`, which keeps its own batches; or a `tf.data.Dataset` of
            images of one size, which is read into memory (see `keras_ssl.data.from_tf_data`).
        out: folder of the run. Defaults to None: `runs/` and the name of the data, with `_smoke` behind it for a smoke
            test; data in memory need a folder.
        method: name of an objective that needs images alone, of `keras_ssl.list_methods()`. Defaults to "auto".
        encoder: name of an encoder of the library, or a built `keras.Model` that maps images to features `[N, F]`,
            which is trained itself; as no recipe can name it, `out` gets no recipe.toml. Defaults to "auto".
        start: a name of `keras_ssl.list_models()`, or the folder that `keras_ssl.export` wrote, from whose encoder
            training goes on, with new heads and smaller learning rates for its earlier blocks. Defaults to None.
        image_size: side of the views, in pixels. Defaults to None: chosen.
        batch_size: images in a batch. Defaults to None: chosen, and halved while memory does not suffice.
        epochs: Defaults to None: chosen.
        bands, value_range: of a folder of .npy or TIFF stacks of bands, as for `keras_ssl.data.from_folder`. Default to
            None.
        max_damaged: of images in files, the share of them that may be damaged, 0 to 1. Defaults to None: 0.01.
        seed: of initial weights, order and views. Defaults to 0.
        smoke: whether to train for two batches only, to see that all works. Defaults to False.
        overwrite: whether to replace a finished run. Defaults to False: it is loaded.
        verbose: 0, 1 or 2, as for `fit`. Defaults to 1.

    Returns:
        The trained objective, a `keras.Model`: `model.encoder` is the encoder, `model.predict(images)` gives features,
        `model.image_size` and `model.file_range` tell `keras_ssl.embed` the side of images in files, and the range of
        stacks of bands.

    Raises:
        ValueError: if the data are none of the above or too few, a name is unknown, or an argument is out of range.
        ResumeError: if `out` holds another run that was interrupted.
        MemoryError: if memory does not suffice for the batch that was given.

    Example:

    ```python
    model = keras_ssl.pretrain("photos/", out="runs/photos")
    features = keras_ssl.embed(model, "photos/")
    ```
    """
    return train_chosen(
        data,
        out,
        encoder,
        overwrite=overwrite,
        verbose=verbose,
        smoke=smoke,
        bands=bands,
        value_range=value_range,
        max_damaged=max_damaged,
        method=method,
        start=None if start is None else os.fspath(start),
        image_size=image_size,
        batch_size=batch_size,
        epochs=epochs,
        seed=seed,
    )


def train_chosen(
    data: Any,
    out: str | os.PathLike[str] | None,
    encoder: str | keras.Model,
    *,
    overwrite: bool,
    verbose: int,
    smoke: bool,
    bands: int | None = None,
    value_range: Sequence[float] | None = None,
    max_damaged: float | None = None,
    **settings: Any,
) -> SSLModel:
    """Chooses what is not said, prints it, and trains: see `pretrain` and `choices.choose`."""
    if is_tf_data(data):
        data = from_tf_data(data)
    facts = facts_of(data, bands, value_range, max_damaged)
    out = folder_of(facts, out, smoke)
    of_own = isinstance(encoder, keras.Model)
    if isinstance(data, EpochBatches):
        settings["batch_size"] = data.batch_size
    if smoke:
        settings["epochs"] = 1
    if of_own and settings.get("start") is not None:
        raise ValueError(f"`encoder` is that of `start`. Received: encoder={encoder!r}, start={settings['start']!r}")
    if of_own:
        settings |= {"feature_dim": int(encoder_shapes(encoder)[1][-1] or 0)}
    chosen_batch = settings["batch_size"] is None

    def chosen(batch_size: int | None) -> tuple[Recipe, list[Choice]]:
        given = settings if batch_size is None else {**settings, "batch_size": batch_size}
        return choose(facts, encoder="ConvNet" if of_own else encoder, **given)

    if chosen_batch:
        settings["batch_size"] = settled_batch(lambda size: chosen(size)[0], out)
    recipe, choices = chosen(None)
    if is_finished(out) and not overwrite and not of_own and _is_recipe_of(recipe, out):
        say(f"The run is finished: it is loaded. `overwrite=True` trains again. Received: out={out!r}")
        return _with_size(read_run(out).model, recipe)
    if verbose:
        for choice in choices:
            if not (of_own and choice.setting.startswith("encoder.")):
                say(f"{choice.setting} = {choice.value}: {choice.reason}")

    def start(batch_size: int | None) -> TrainingRun:
        planned = chosen(batch_size)[0]
        batches: Any = data if isinstance(data, EpochBatches) else None
        if batches is None and facts.name is None:
            training = planned.sections["training"]
            batches = from_arrays(data, batch_size=training["batch_size"], seed=training["seed"])
        return TrainingRun(
            planned,
            out,
            data=batches,
            model=_around(encoder, planned) if of_own else None,
            overwrite=overwrite,
            verbose=verbose,
            most_batches=SMOKE_BATCHES if smoke else None,
        )

    run, _ = train_what_fits(start, recipe.sections["training"]["batch_size"], chosen_batch)
    return _with_size(run.model, recipe)


def _with_size(model: SSLModel, recipe: Recipe) -> SSLModel:
    """The model, which tells `embed` how files become its images."""
    settings = FileSettings.of_recipe(recipe)
    model.image_size, model.file_range = settings.size, settings.value_range
    return model


def folder_of(facts: DataFacts, out: str | os.PathLike[str] | None, smoke: bool = False, kind: str = "") -> str:
    """The folder of a run: the one that is given, or one named after the data and the `kind` of the run; of a smoke
    test, which is finished after two batches and no start of the real run, one beside it.

    Raises:
        ValueError: if the data have no name, and no folder is given.
    """
    if out is not None:
        return os.fspath(out)
    if facts.name is None:
        raise ValueError("`out` must name a folder for data in memory. Received: out=None")
    name = Path(os.path.abspath(user_path(facts.name))).stem if os.path.exists(user_path(facts.name)) else facts.name
    return os.path.join("runs", name.replace(":", "_") + kind + "_smoke" * smoke)


def _is_recipe_of(recipe: Recipe, out: str | os.PathLike[str]) -> bool:
    path = Path(user_path(out)) / RECIPE_NAME
    return path.is_file() and Recipe.read(path) == recipe


def _around(encoder: keras.Model, recipe: Recipe) -> SSLModel:
    """The objective of a recipe around an encoder that no recipe names."""
    training = recipe.sections["training"]
    with seeded_initializers(training["seed"]):
        given = {section: recipe.build(section) for section in ("views",) if section in recipe.sections}
        return recipe.build("objective", encoder=encoder, seed=training["seed"], **given)
