"""Images in files as batches in an order that is a pure function of (seed, epoch)."""

import threading
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import keras
import numpy as np

from keras_ssl.data.crop_plan import CropPlan
from keras_ssl.data.crop_reader import CropBatch, CropReader
from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.fingerprint import FILES, HEAD, hash_of, spread
from keras_ssl.data.image_source import ImageBatch, ImageSource
from keras_ssl.data.utf8_name import utf8_name
from keras_ssl.views.view import View

Source = TypeVar("Source", bound=ImageSource)


class ImageBatches(EpochBatches, Generic[Source]):
    """The batches of an `ImageSource`: what `from_folder` and `from_tfrecords` make; they describe the batches.

    Args:
        source: the images.
        batch_size, seed, shuffle, drop_remainder, epoch: as in `EpochBatches`.
        crops: views whose random crops the batches hold, cut from the images at full resolution. Defaults to None: a
            batch holds the center squares of the images.

    Attributes:
        crops: as given.
    """

    def __init__(
        self,
        source: Source,
        batch_size: int,
        seed: int,
        shuffle: bool,
        drop_remainder: bool,
        epoch: int,
        crops: View | None = None,
    ) -> None:
        super().__init__(len(source), batch_size, seed, shuffle, drop_remainder, epoch)
        self.source = source
        self.crops = crops
        self._reader = None if crops is None else CropReader(source, CropPlan(crops, source.size))
        self._steps: tuple[int, int | None] = (self.seed, 0)
        self._lock = threading.Lock()
        self._stream: Iterator[ImageBatch | CropBatch] = iter(())
        self._stream_order: np.ndarray | None = None
        self._stream_place: tuple[Any, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in the order of their numbers; empty where there are none."""
        return self.source.class_names

    @property
    def skipped(self) -> list[str]:
        """Names of the images that could not be decoded so far."""
        return self.source.skipped

    def read_inputs(self, numbers: np.ndarray, batch_size: int) -> Iterator[tuple[Any, np.ndarray | None]]:
        for batch in self.source.stream(numbers, batch_size):
            yield batch.images, batch.decoded

    @property
    def one_input(self) -> bool:
        return True

    def sample_name(self, number: int) -> str:
        return utf8_name(self.source.name(number))

    @property
    def labels(self) -> np.ndarray | None:
        """Class numbers of the images in their order, int32, or `None`."""
        return self.source.read_labels() if self.source.labelled else None

    def fingerprint(self) -> dict[str, Any]:
        fed, labels = self.source.feed(spread(len(self.source), FILES))
        return {"classes": list(self.class_names), "labels": hash_of([labels.tobytes()])} | self._content(fed)

    def _content(self, fed: list[bytes]) -> dict[str, str]:
        """What tells the images by that which the source has fed of some of them."""
        return {"records": hash_of(record[:HEAD] for record in fed)}

    def follow(self, seed: int, first_step: int | None) -> None:
        self._steps = (seed, first_step)

    def whole(self, index: int) -> dict[str, Any]:
        batch = self[index]
        if self.crops is not None:
            del batch["box"]
            batch["x"], _ = next(self.read_inputs(batch["index"].astype(np.int64), len(batch["index"])))
        return batch

    def load(self, order: np.ndarray, start: int) -> dict[str, Any]:
        with self._lock:
            # Reading in order goes on where the last batch ended; any other batch starts the pipeline anew
            # there.
            place = (start, self._epoch, self._steps)
            if self._stream_order is not order or self._stream_place != place:
                self._stream = self._read(order, start)
            batch = next(self._stream)
            self._stream_order, self._stream_place = order, (start + self.local_batch_size, *place[1:])
        inputs: dict[str, Any] = {"x": batch.images if isinstance(batch, ImageBatch) else batch.views}
        inputs["index"] = batch.numbers.astype(np.int32)
        if isinstance(batch, CropBatch):
            inputs["box"] = batch.boxes
        if self.source.labelled:
            inputs["y"] = batch.labels.astype(np.int32)
        if batch.decoded.all():
            return inputs
        rows = _stand_ins(batch.decoded)
        return keras.tree.map_structure(lambda array: array[rows], inputs)

    def _read(self, order: np.ndarray, start: int) -> Iterator[ImageBatch | CropBatch]:
        """The batches of this worker from position `start` of its order on."""
        rest = order[start : self.batches_in_epoch * self.local_batch_size]
        if self._reader is None:
            return self.source.stream(rest, self.local_batch_size)
        seed, first_step = self._steps
        step = start // self.local_batch_size
        if first_step is not None:
            step += first_step + self._epoch * self.batches_in_epoch
        return self._reader.stream(rest, self.local_batch_size, seed, step, worker=self._part[0])


def _stand_ins(decoded: np.ndarray) -> np.ndarray:
    """For each row of a batch the first decoded row from it onwards, going round at the end."""
    good = np.flatnonzero(decoded)
    if not len(good):
        raise ValueError(f"No image of a batch could be decoded. Received: {len(decoded)} damaged files")
    return good[np.searchsorted(good, np.arange(len(decoded))) % len(good)]
