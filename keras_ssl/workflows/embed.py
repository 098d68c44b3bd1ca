"""Features of images in one line."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ssl.data import from_arrays
from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.from_folder import FolderBatches
from keras_ssl.data.from_tf_data import from_tf_data, is_tf_data
from keras_ssl.data.image_batches import ImageBatches
from keras_ssl.data.image_folder import ImageFolder
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.save_feature_shards import check_part, save_feature_shards
from keras_ssl.evaluation.save_features import check_features_path, save_features
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
    max_damaged: float | None = None,
    accept_license: str | None = None,
    shard_size: int = 8192,
    shard: Sequence[int] = (0, 1),
) -> np.ndarray | int:
    """Computes the features of images, and writes them with the images' names if it is said where.

    A folder takes any number of images: their features are written in shards, each of which appears whole or not at
    all. A call that was ended goes on where it was; a damaged shard is named in a warning and written again. Other
    data, another model, image size or size of shards than those of the folder is refused.
    `keras_ssl.evaluation.open_features` opens the folder as one array.

    Args:
        model: what `keras_ssl.pretrain` returns; any Keras model that maps a batch of images to features `[N, D]`; a
            name of `keras_ssl.list_models()`; or the folder of a run or of an exported encoder.
        data: a folder of images, or another name that `data.name` of a recipe takes; an array of images
            `[N, H, W, C]`; a data set of `keras_ssl.data`; or a `tf.data.Dataset` of images of one size.
        out: file for the features, `.npz`, `.csv` or `.parquet`, as `keras_ssl.evaluation.save_features` writes it; or
            a folder, a name without an ending. Defaults to None: they are returned.
        image_size: side in pixels to which images from files are resized. Defaults to None: that of the model's
            training where it is known, else 224.
        batch_size: images in a batch. Defaults to 256.
        value_range: of a folder of .npy or TIFF stacks of bands, as for `keras_ssl.data.from_folder`. Defaults to None:
            that of the model's training where it is known, else the type of the files decides.
        max_damaged: of images in files, the share of them that may be damaged, 0 to 1; they are left out. Defaults to
            None: that of the model's training where it is known, else 0.01.
        accept_license: as for `keras_ssl.load`. Defaults to None.
        shard_size: images of a shard, where `out` is a folder. Defaults to 8192.
        shard: `(i, n)`, which of `n` processes or machines this is, from 0, where `out` is a folder: each writes every
            n-th shard, to a folder that they share, or to one of its own whose files are then put together. Defaults
            to (0, 1).

    Returns:
        float32 `[N, D]`, in the order of the images' numbers: of a folder, of their sorted paths. With `out`, the
        number of rows that were written; of a folder, those of this process, the ones that were there included.

    Raises:
        ValueError: if there is no such model or data, or an argument is out of range.

    Example:

    >>> images = np.zeros((3, 16, 16, 3), "uint8")
    >>> embed("barlow_digits", images).shape
    (3, 128)
    """
    to_folder = out is not None and _is_folder(out)
    if check_part(shard)[1] > 1 and not to_folder:
        raise ValueError(f"`shard` needs a folder as `out`. Received: shard={shard!r}, out={out!r}")
    if out is not None and not to_folder:
        check_features_path("out", out)  # before the work is done
    encoder, settings = encoder_of(model, accept_license)
    images = images_to_embed(data, settings.given(image_size, value_range, max_damaged), batch_size)
    if out is None:
        return extract_features(encoder, images, batch_size)
    batches = (
        images
        if isinstance(images, EpochBatches)
        else from_arrays(images, batch_size=batch_size, shuffle=False, drop_remainder=False)
    )
    if to_folder:
        return save_feature_shards(out, encoder, batches, batch_size, shard_size, shard)
    return save_features(out, encoder, batches, batch_size)


def _is_folder(out: str | os.PathLike[str]) -> bool:
    name = user_path(out)
    return name.endswith(("/", os.sep)) or os.path.isdir(name) or not Path(name).suffix


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
    # Those of a folder tell files by their contents, not by their paths.
    kind: type[ImageBatches[Any]] = FolderBatches if isinstance(opened, ImageFolder) else ImageBatches
    return kind(opened, min(batch_size, len(opened)), 0, shuffle=False, drop_remainder=False, epoch=0)
