"""The images of TFRecord files: indexed, read at random places, and decoded to one size by tf.data."""

import os
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from glob import escape, glob
from pathlib import Path
from typing import Any

import numpy as np

from keras_ssl.data.image_source import MAX_DAMAGED, ImageSource
from keras_ssl.data.read_at import read_at
from keras_ssl.data.record_format import FOOTER, HEADER, SUFFIX, SUMMARY, checksums, read_summary
from keras_ssl.paths import user_path
from keras_ssl.regular_file import open_regular

_THREADS = 16
_BLOCK, _SMALL = 2**20, 2**13  # bytes read at a time where records are at most so long
_LENGTH = struct.Struct("<Q")
_LABELS = 256  # records in memory while labels are read

Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


class ImageRecords(ImageSource):
    """The images of TFRecord shards, numbered through the shards in the order of their names.

    When the shards are opened, the frame of every record is walked through, one small read each: this tells where the
    records are, and finds shards that are truncated or whose lengths are damaged (they have a checksum). `verify` also
    reads and checks the payloads. Damage that shows only when an image is decoded is met as `ImageSource` says.

    Args:
        path: a folder with shards, a pattern for `glob`, a file, or a list of files (which keep their order).
        size: height and width of the images, in pixels.
        verify: whether every byte is read and checked at once.
        max_damaged: the largest share of images that may be damaged, 0 to 1. Defaults to 0.01.

    Attributes:
        shards: paths of the files.
        counts: records in each, int64.

    Raises:
        ValueError: if there are no shards, one is missing, truncated, damaged or compressed, they are not those that
            the JSON file beside them lists, or the records hold no images.
        ImportError: if TensorFlow is not installed.
    """

    def __init__(self, path: Paths, size: int, verify: bool = False, max_damaged: float = MAX_DAMAGED) -> None:
        shown = str(path) if isinstance(path, str | os.PathLike) else str([str(part) for part in path])
        super().__init__(shown, size, max_damaged)
        self._labels: np.ndarray | None = None
        self._turned = False  # whether records tell an EXIF orientation
        self.shards = _shards(path)
        with ThreadPoolExecutor(_THREADS) as pool:  # the reads wait for the disk, not for a core
            places = list(pool.map(_places, self.shards))
        self.counts = np.array([len(starts) for starts in places], np.int64)
        self._ends = np.cumsum(self.counts)
        # Where each payload begins; a shard's last entry is where the next would.
        self._starts = places
        self.total = int(self._ends[-1])
        if not self.total:
            raise ValueError(f"Argument `path` must name shards that hold records. Received: path={self.path!r}")
        self._check_summary()
        self._pool = ThreadPoolExecutor(_THREADS)
        self._check_ends()
        if verify:
            self._verify()

    def __len__(self) -> int:
        return self.total

    def name(self, number: int) -> str:
        shard = int(np.searchsorted(self._ends, number, side="right"))
        return f"{self.shards[shard]}, record {number - (self._ends[shard] - self.counts[shard])}"

    def read_labels(self) -> np.ndarray:
        if self._labels is None:
            fields = {"label": self._tf.io.FixedLenFeature([], self._tf.int64, default_value=-1)}
            parts = []
            with self._tf.device("CPU:0"):
                for start in range(0, len(self), _LABELS):
                    records, _ = self.feed(np.arange(start, min(start + _LABELS, len(self))))
                    parts.append(self._tf.io.parse_example(records, fields)["label"].numpy().astype(np.int32))
            self._labels = np.concatenate(parts)
        return self._labels

    def feed(self, numbers: np.ndarray) -> tuple[list[bytes], np.ndarray]:
        owners = np.searchsorted(self._ends, numbers, side="right")
        within = numbers - (self._ends - self.counts)[owners]
        records: list[bytes] = [b""] * len(numbers)

        def read_from(shard: int) -> None:
            rows = np.flatnonzero(owners == shard)
            for row, record in zip(rows, self._records(shard, within[rows]), strict=True):
                records[row] = record

        list(self._pool.map(read_from, np.unique(owners).tolist()))
        return records, np.zeros(len(numbers), np.int64)  # the labels are in the records

    def read(self, fed: Any, label: Any) -> tuple[Any, Any, Any]:
        tf = self._tf
        fields = {
            "image": tf.io.FixedLenFeature([], tf.string),
            "label": tf.io.FixedLenFeature([], tf.int64, default_value=-1),
        }
        if self._turned:
            fields["orientation"] = tf.io.FixedLenFeature([], tf.int64, default_value=1)
        record = tf.io.parse_single_example(fed, fields)
        return record["image"], record["label"], record.get("orientation")

    def encoded(self, fed: bytes, label: int) -> tuple[bytes, int, int]:
        fields = self._features(fed, lambda error: OSError(f"A record is damaged ({error})"))

        def integer(name: str, missing: int) -> int:
            values = fields[name].int64_list.value if name in fields else ()
            return int(values[0]) if values else missing

        images = list(fields["image"].bytes_list.value) if "image" in fields else []
        if len(images) != 1:
            raise OSError("A record holds no image")
        return images[0], integer("label", -1), integer("orientation", 1) if self._turned else 1

    def _records(self, shard: int, numbers: np.ndarray) -> list[bytes]:
        """The payloads of records of one shard."""
        starts = self._starts[shard]
        try:
            with open_regular(self.shards[shard]) as stream:
                file = stream.fileno()
                records = [read_at(file, int(starts[n, 1]), int(starts[n, 0])) for n in numbers]
        except OSError as error:
            raise ValueError(
                f"A shard can no longer be read ({error.strerror}). Received: {self.shards[shard]}"
            ) from error
        if any(len(record) != starts[n, 1] for record, n in zip(records, numbers, strict=True)):
            raise ValueError(f"A shard is shorter than when it was opened. Received: {self.shards[shard]}")
        return records

    def _check_summary(self) -> None:
        folders = {Path(shard).parent for shard in self.shards}
        summary = read_summary(folders.pop()) if len(folders) == 1 else None
        if summary is None:
            return
        self.class_names = summary["class_names"]
        self._turned = summary["turned"] > 0
        found = {Path(shard).name: int(count) for shard, count in zip(self.shards, self.counts, strict=True)}
        for name in sorted(set(summary["shards"]) | set(found)):
            listed, have = summary["shards"].get(name, "none"), found.get(name, "none")
            if listed != have:
                raise ValueError(
                    f"The shards must be those that {SUMMARY} beside them lists: {name} with {listed} records, and "
                    f"not {have}. Received: path={self.path!r}"
                )

    def _check_ends(self) -> None:
        """Looks at the first and the last record of each shard: whether they hold an image, a label, their number."""
        for shard, (count, end) in enumerate(zip(self.counts.tolist(), self._ends.tolist(), strict=True)):
            for number in sorted({0, count - 1} if count else ()):
                fields = self._fields(shard, number)
                if "image" not in fields or not fields["image"].bytes_list.value:
                    raise ValueError(
                        "The records must hold an encoded image in the field 'image'. "
                        f"Received: {self.shards[shard]} with the fields {sorted(fields)}"
                    )
                self.labelled = self.labelled or "label" in fields
                index = list(fields["index"].int64_list.value) if "index" in fields else []
                if index and index != [end - count + number]:
                    raise ValueError(
                        "The shards must be all of their data set, in its order: record "
                        f"{number} of {self.shards[shard]} says that it is image {index[0]}, and is "
                        f"{end - count + number} of these. Received: path={self.path!r}"
                    )

    def _fields(self, shard: int, number: int) -> Any:
        record = self._records(shard, np.array([number]))[0]
        return self._features(
            record,
            lambda error: ValueError(f"The records must be tf.train.Example. Received: {self.shards[shard]}"),
        )

    def _features(self, record: bytes, problem: Callable[[Exception], Exception]) -> Any:
        example = self._tf.train.Example()
        try:
            example.ParseFromString(record)
        except Exception as error:  # protobuf's own type of error depends on its version
            raise problem(error) from error
        return example.features.feature

    def _verify(self) -> None:
        """Reads every payload and compares its checksum, by TensorFlow's own reader."""
        for shard in self.shards:
            number = 0
            try:
                for _ in (
                    self._tf.data.TFRecordDataset(os.fsencode(shard), buffer_size=2**20).batch(256).as_numpy_iterator()
                ):
                    number += 256
            except self._tf.errors.DataLossError as error:
                raise ValueError(
                    f"A record of a shard is damaged: one of those from {number} on. Received: {shard}"
                ) from error


def _shards(path: Paths) -> list[str]:
    if not isinstance(path, str | os.PathLike):
        files = [user_path(part) for part in path]
    elif os.path.isdir(path := user_path(path)):
        # The shards of a data set may have more behind their suffix: `name.tfrecord-00000-of-00005`.
        files = sorted(glob(os.path.join(escape(os.fspath(path)), f"*{SUFFIX}*")))
    elif os.path.isfile(path):
        files = [os.fspath(path)]
    else:
        files = sorted(glob(os.fspath(path)))
    if not files:
        raise ValueError(
            f"Argument `path` must be a folder with *{SUFFIX} files, or name some. Received: path={str(path)!r}"
        )
    missing = [file for file in files if not os.path.isfile(file)]
    if missing:
        raise ValueError(f"Argument `path` names a file that is not there. Received: path with {missing[0]!r}")
    return files


def _places(shard: str) -> np.ndarray:
    """Where the payload of each record begins, and its length: int64 `[records, 2]`.

    Raises:
        ValueError: if the shard cannot be read, or its records do not fill it.
    """
    headers, lengths = bytearray(), []
    block, begin, length = b"", 0, 0
    try:
        with open_regular(shard) as stream:
            file, size, position = stream.fileno(), os.fstat(stream.fileno()).st_size, 0
            while position < size:
                if not begin <= position <= begin + len(block) - HEADER:
                    # After a small record the next ones are read with its successor, and looked at in memory.
                    block, begin = read_at(file, _BLOCK if 0 < length <= _SMALL else HEADER, position), position
                    if len(block) < HEADER:
                        break
                headers += block[position - begin : position - begin + HEADER]
                (length,) = _LENGTH.unpack_from(block, position - begin)
                lengths.append(length)
                position += HEADER + length + FOOTER
    except OSError as error:
        raise ValueError(f"A shard cannot be read ({error.strerror}). Received: {shard}") from error
    rows = np.frombuffer(bytes(headers), np.uint8).reshape(-1, HEADER)
    wrong = checksums(rows[:, :8]) != np.ascontiguousarray(rows[:, 8:]).view("<u4")[:, 0]
    if wrong.any():
        number = int(wrong.argmax())
        start = sum(lengths[:number]) + number * (HEADER + FOOTER)
        if rows[number, :2].tobytes() == b"\x1f\x8b":
            raise ValueError(f"Shards must not be compressed: images are already. Received: {shard}")
        raise ValueError(
            f"A shard is damaged: record {number}, at byte {start}, does not begin as a TFRecord does. "
            f"Received: {shard}"
        )
    if position != size:
        raise ValueError(
            f"A shard is truncated: after {max(0, len(lengths) - (position > size))} whole records. "
            f"Received: {shard} of {size} bytes"
        )
    sizes = np.array(lengths, np.int64)
    starts = HEADER + np.cumsum(sizes + HEADER + FOOTER) - (sizes + HEADER + FOOTER)
    return np.stack([starts, sizes], axis=1)
