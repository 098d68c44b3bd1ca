"""Images by number, whatever they are in: their names, features, and small pictures of some of them."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.from_tf_data import from_tf_data, is_tf_data
from keras_ssl.data.image_source import ImageSource
from keras_ssl.data.utf8_name import utf8_name
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.hub.recipe_data import data_source
from keras_ssl.workflows.embed import encoder_of, images_to_embed
from keras_ssl.workflows.file_settings import FileSettings

PICTURE_SIZE = 64
"""Side in pixels to which images of files are resized where they are shown or hashed."""
_BATCH = 256


class PictureSet:
    """The images of a folder, of other named data, or of an array.

    Args:
        data: a folder of images, or another name that `data.name` of a recipe takes; an array `[N, H, W, C]`; or a
            `tf.data.Dataset` of images.
        max_damaged: of images in files, the share of them that may be damaged, 0 to 1. Defaults to None: 0.01.

    Attributes:
        names: of the images: of files, their paths relative to the folder; of others, their numbers.

    Raises:
        ValueError: if there are no such data, or they are no images.
    """

    def __init__(self, data: Any, max_damaged: float | None = None) -> None:
        self._max_damaged = max_damaged
        self._data = from_tf_data(data) if is_tf_data(data) else data
        self._source: ImageSource | None = None
        if isinstance(data, EpochBatches):
            raise ValueError(
                f"`data` must be a name or an array of images. Received: data of type {type(data).__name__}"
            )
        if isinstance(data, str | os.PathLike):
            source = data_source(os.fspath(data))
            if source.train is not None:
                self._source = source.train(**FileSettings(PICTURE_SIZE, max_damaged=max_damaged).arguments(source))
            else:
                self._data = source.read().x
        if self._source is not None:
            self.names = [utf8_name(self._source.name(number)) for number in range(len(self._source))]
            return
        if len(getattr(self._data, "shape", ())) != 4:
            raise ValueError(f"`data` must be images [N, H, W, C]. Received: data={type(data).__name__}")
        self._data = np.asarray(keras.ops.convert_to_numpy(self._data))
        self.names = [str(number) for number in range(len(self._data))]

    def __len__(self) -> int:
        return len(self.names)

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """All images in order, in parts: `[n, H, W, C]`, and which of them could be decoded."""
        yield from self._parts(np.arange(len(self)))

    def pictures(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """Some images, `[n, H, W, C]`, to be shown: of other channels than colors the first three, or the first."""
        rows = np.asarray(rows, int)
        if not len(rows):
            return np.zeros((0, 1, 1, 3), "uint8")
        images = np.concatenate([images for images, _ in self._parts(rows)])
        channels = images.shape[-1]
        return images if channels in (1, 3, 4) else images[..., : 3 if channels > 3 else 1]

    def features(
        self,
        model: Any,
        image_size: int | None = None,
        batch_size: int = _BATCH,
        accept_license: str | None = None,
    ) -> np.ndarray:
        """The features of all images, float32 `[N, D]`; a row is NaN where the image cannot be decoded.

        Args:
            model: as for `keras_ssl.embed`.
            image_size: as for `keras_ssl.embed`. Defaults to None.
            batch_size: images in a batch. Defaults to 256.
            accept_license: as for `keras_ssl.load`. Defaults to None.
        """
        encoder, settings = encoder_of(model, accept_license)
        images = self._data
        if self._source is not None:
            images = images_to_embed(self._data, settings.given(image_size, max_damaged=self._max_damaged), batch_size)
        return extract_features(encoder, images, batch_size)

    def _parts(self, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        if self._source is not None:
            for batch in self._source.stream(rows, min(_BATCH, len(rows))):
                yield batch.images, batch.decoded
            return
        for start in range(0, len(rows), _BATCH):
            part = self._data[rows[start : start + _BATCH]]
            yield part, np.ones(len(part), bool)


def whole_rows(features: np.ndarray) -> np.ndarray:
    """Numbers of the images that could be decoded, by their features."""
    return np.flatnonzero(np.isfinite(features).all(axis=1))
