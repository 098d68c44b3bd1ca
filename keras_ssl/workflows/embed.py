"""Features of images in one line."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ssl.data import from_arrays
from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.from_tf_data import from_tf_data, is_tf_data
from keras_ssl.data.image_batches import ImageBatches
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.save_features import save_features
from keras_ssl.hub.catalogue import find
from keras_ssl.hub.load import load
from keras_ssl.hub.read_run import RUN_WEIGHTS_NAME, read_run
from keras_ssl.hub.recipe_data import data_source
from keras_ssl.layers.pixel_scale import ANY_VALUE
from keras_ssl.paths import user_path
from keras_ssl.workflows.file_settings import FileSettings

__all__ = ["embed", "encoder_of", "images_to_embed"]


def embed(
    model: keras.Model | str | os.PathLike[str],
    data: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    image_size: int | None = None,
    batch_size: int = 256,
    value_range: Sequence[float] | None = None,
    accept_license: str | None = None,
) -> np.ndarray | int:
    """Computes the features of images, and writes them to a file with the images' names if one is given.

    Args:
        model: what `keras_ssl.pretrain` returns; any Keras model that maps a batch of images to features `[N, D]`; a
            name of `keras_ssl.list_models()`; or the folder of a run or of an exported encoder.
        data: a folder of images, or another name that `data.name` of a recipe takes; an array of images
            `[N, H, W, C]`; a data set of `keras_ssl.data`; or a `tf.data.Dataset` of images of one size.
        out: file for the features, `.npz` or `.csv`, as `keras_ssl.evaluation.save_features` writes it. Defaults to
            None: they are returned.
        image_size: side in pixels to which images from files are resized. Defaults to None: that of the model's
            training where it is known, else 224.
        batch_size: images in a batch. Defaults to 256.
        value_range: of a folder of .npy or TIFF stacks of bands, as for `keras_ssl.data.from_folder`. Defaults to None:
            that of the model's training where it is known, else the type of the files decides.
        accept_license: as for `keras_ssl.load`. Defaults to None.

    Returns:
        float32 `[N, D]`, in the order of the images' numbers: of a folder, of their sorted paths. With `out`, the
        number of rows that were written.

    Raises:
        ValueError: if there is no such model or data, or an argument is out of range.

    Example:

    >>> images = np.zeros((3, 16, 16, 3), "uint8")
    >>> embed("barlow_digits", images).shape
    (3, 128)
    """
    encoder, settings = encoder_of(model, accept_license)
    images = images_to_embed(data, settings.given(image_size, value_range), batch_size)
    if out is None:
        return extract_features(encoder, images, batch_size)
    batches = (
        images
        if isinstance(images, EpochBatches)
        else from_arrays(images, batch_size=batch_size, shuffle=False, drop_remainder=False)
    )
    return save_features(out, encoder, batches, batch_size)


def encoder_of(
    model: keras.Model | str | os.PathLike[str], accept_license: str | None = None
) -> tuple[keras.Model, FileSettings]:
    """A model that maps images to features, by name or folder; and what its training says of files, where known."""
    if isinstance(model, keras.Model):
        shape = model.input_shape[1:3] if _has_shape(model) else ()
        size = getattr(model, "image_size", None) or next((size for size in shape if size), None)
        bands = _bands(model)
        if bands is None:
            return model, FileSettings(size, None, getattr(model, "file_range", None))
        declared = getattr(model, "value_range", None)
        return model, FileSettings(size, bands, getattr(model, "file_range", None) or declared and ANY_VALUE)
    folder = Path(user_path(model))
    if (folder / RUN_WEIGHTS_NAME).is_file():
        run = read_run(folder)
        return run.model, FileSettings.of_recipe(run.recipe)
    card = find(os.fspath(model)).read_card()
    data, preprocessing = card.recipe.get("data", {}), card.build_preprocessing()
    encoder = load(model, trainable=False, accept_license=accept_license)
    bands = data.get("bands") or _bands(encoder)
    # An encoder of bands that declares a range takes values in their own units; photographs have that of their type.
    declared = bands is not None and preprocessing is not None and preprocessing.value_range is not None
    value_range = ANY_VALUE if declared else data.get("value_range")
    return encoder, FileSettings(data.get("size") or card.preprocessing.get("size"), bands, value_range)


def _bands(model: keras.Model) -> int | None:
    """Number of bands of the model's images where they are not red, green and blue."""
    encoder = getattr(model, "encoder", model)  # which has a shape before an objective around it is called
    channels = encoder.input_shape[-1] if _has_shape(encoder) else None
    return None if channels in (None, 3) else int(channels)


def _has_shape(model: keras.Model) -> bool:
    try:
        shape = model.input_shape
    except AttributeError:  # a subclassed model that was not called yet
        return False
    return isinstance(shape, tuple) and len(shape) == 4


def images_to_embed(data: Any, settings: FileSettings, batch_size: int) -> Any:
    """The images as `extract_features` takes them: an array, or a data set that reads files batch by batch."""
    if not isinstance(data, str | os.PathLike):
        return from_tf_data(data) if is_tf_data(data) else data
    source = data_source(os.fspath(data))
    if source.train is None:
        return source.read().x
    opened = source.train(**settings.arguments(source))
    return ImageBatches(opened, min(batch_size, len(opened)), 0, shuffle=False, drop_remainder=False, epoch=0)
