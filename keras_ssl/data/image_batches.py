"""Images in files as batches in an order that is a pure function of (seed, epoch)."""

import threading
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.fingerprint import FILES, HEAD, hash_of, spread
from keras_ssl.data.image_source import ImageBatch, ImageSource
from keras_ssl.data.utf8_name import utf8_name

Source = TypeVar("Source", bound=ImageSource)


class ImageBatches(EpochBatches, Generic[Source]):
    """The batches of an `ImageSource`: what `from_folder` and `from_tfrecords` make; they describe the batches.

    Args:
        source: the images.
        batch_size, seed, shuffle, drop_remainder, epoch: as in `EpochBatches`.
    """

    def __init__(
        self, source: Source, batch_size: int, seed: int, shuffle: bool, drop_remainder: bool, epoch: int
    ) -> None:
        super().__init__(len(source), batch_size, seed, shuffle, drop_remainder, epoch)
        self.source = source
        self._lock = threading.Lock()
        self._stream: Iterator[ImageBatch] = iter(())
        self._stream_place: tuple[np.ndarray | None, int] = (None, 0)

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

    def load(self, order: np.ndarray, start: int) -> dict[str, Any]:
        with self._lock:
            # Reading in order goes on where the last batch ended; any other batch starts the pipeline anew
            # there.
            if self._stream_place[0] is not order or self._stream_place[1] != start:
                rest = order[start : self.batches_in_epoch * self.local_batch_size]
                self._stream = self.source.stream(rest, self.local_batch_size)
            images, numbers, labels, decoded = next(self._stream)
            self._stream_place = (order, start + self.local_batch_size)
        if not decoded.all():
            rows = _stand_ins(decoded)
            images, numbers, labels = images[rows], numbers[rows], labels[rows]
        batch = {"x": images, "index": numbers.astype(np.int32)}
        return batch | {"y": labels.astype(np.int32)} if self.source.labelled else batch


def _stand_ins(decoded: np.ndarray) -> np.ndarray:
    """For each row of a batch the first decoded row from it onwards, going round at the end."""
    good = np.flatnonzero(decoded)
    if not len(good):
        raise ValueError(f"No image of a batch could be decoded. Received: {len(decoded)} damaged files")
    return good[np.searchsorted(good, np.arange(len(decoded))) % len(good)]
