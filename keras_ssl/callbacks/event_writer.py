"""Event files, which TensorBoard reads, written without TensorFlow."""

import io
import os
import re
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.plugins.histogram import metadata as histograms
from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.plugins.image import metadata as images
from tensorboard.plugins.scalar import metadata as scalars
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.util.tensor_util import make_tensor_proto

from keras_ssl.callbacks.check_writable import check_writable
from keras_ssl.callbacks.write_guard import WriteGuard
from keras_ssl.data.utf8_name import utf8_name
from keras_ssl.paths import user_path

_FILES = count()
_NAME = re.compile(r"events\.out\.tfevents\.(\d{10})\.")
_BLOCK = 2**13  # bytes that wait for a flush
_MOST_WAITING = 2**26


class EventWriter:
    """Appends what TensorBoard shows to a new event file in a folder.

    TensorBoard's own `EventFileWriter` opens its file through TensorFlow wherever that is installed; this one never
    imports it, so that runs on JAX stay without.

    What cannot be written (a full disk) is warned of, kept, and written when there is room again, up to 64 MiB of it:
    no error of the system ends a run.

    Args:
        folder: the run's folder, made if it is missing.

    Raises:
        ValueError: if the folder is an address (`gs://...`).

    Example:

    >>> import tempfile
    >>> writer = EventWriter(tempfile.mkdtemp())
    >>> writer.scalar("loss", 0.5, step=3)
    >>> writer.close()
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        check_local("folder", folder)
        self._folder = Path(user_path(folder))
        self.guard = WriteGuard()
        self._path: Path | None = None
        self._size = 0  # of the file, in whole records
        self._waiting = io.BytesIO()  # records that are not in the file yet
        self._records = RecordWriter(self._waiting)
        self._write(Event(file_version="brain.Event:2"))
        self.flush()

    def scalar(self, tag: str, value: float, step: int) -> None:
        """A number: a point of the curve `tag`."""
        tensor = make_tensor_proto(np.float32(value))
        self._value(tag, tensor, scalars.create_summary_metadata(display_name="", description=""), step)

    def image(self, tag: str, pixels: np.ndarray, step: int, description: str = "") -> None:
        """A uint8 image, `[H, W, 3]`; the description is Markdown."""
        height, width = pixels.shape[:2]
        tensor = make_tensor_proto([str(width).encode(), str(height).encode(), encode_png(pixels)])
        metadata = images.create_summary_metadata(display_name="", description=utf8_name(description))
        self._value(tag, tensor, metadata, step)

    def histogram(self, tag: str, edges: np.ndarray, heights: np.ndarray, step: int, description: str = "") -> None:
        """Bars between `edges`, ascending `[K + 1]`, of `heights` `[K]`; the description is Markdown."""
        bars = np.stack([edges[:-1], edges[1:], heights], axis=1).astype(np.float64)
        metadata = histograms.create_summary_metadata(display_name="", description=utf8_name(description))
        self._value(tag, make_tensor_proto(bars), metadata, step)

    def hparams(self, values: Mapping[str, bool | float | str]) -> None:
        """The settings of the run, for the page that compares runs by them."""
        start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
        for name, value in values.items():
            kind = "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
            setattr(
                start.hparams[utf8_name(name)], f"{kind}_value", utf8_name(value) if isinstance(value, str) else value
            )
        self._session(hparams.SESSION_START_INFO_TAG, session_start_info=start)

    def finished(self) -> None:
        """Notes that the run whose `hparams` were written came to its end."""
        end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time())
        self._session(hparams.SESSION_END_INFO_TAG, session_end_info=end)

    def flush(self) -> None:
        """Hands everything to the file, where TensorBoard sees it."""
        waiting = self._waiting.getvalue()
        if not waiting:
            return
        with self.guard.writing(self._path or self._folder):
            if self._path is None or not self._path.exists():
                self._path, self._size = _new_file(self._folder), 0
            _append(self._path, self._size, waiting)
            self._size += len(waiting)
            waiting = b""
        if len(waiting) > _MOST_WAITING:
            waiting = b""
        self._waiting.seek(0)
        self._waiting.truncate()
        self._waiting.write(waiting)

    def close(self) -> None:
        """Writes what is left; nothing can be written after it."""
        self.flush()

    def _session(self, tag: str, **info: Any) -> None:
        data = plugin_data_pb2.HParamsPluginData(**info)
        self._value(tag, hparams.NULL_TENSOR, hparams.create_summary_metadata(data), step=0)

    def _value(self, tag: str, tensor: TensorProto, metadata: SummaryMetadata, step: int) -> None:
        summary = Summary(value=[Summary.Value(tag=utf8_name(tag), tensor=tensor, metadata=metadata)])
        self._write(Event(summary=summary, step=step))

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())
        if self._waiting.tell() > _BLOCK and not self.guard.failing(self._path):
            self.flush()


class SilentWriter(EventWriter):
    """Writes nothing: what all but one of the processes have that train one model."""

    def __init__(self) -> None:
        self.guard = WriteGuard()

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _write(self, event: Event) -> None:
        pass


def check_local(name: str, folder: str | os.PathLike[str]) -> None:
    """Raises a `ValueError` if the argument `name` is no path of this machine."""
    if "://" in os.fspath(folder):
        raise ValueError(f"Argument `{name}` must be a folder of this machine. Received: {name}={os.fspath(folder)!r}")


def check_local_folder(name: str, folder: str | os.PathLike[str]) -> None:
    """Raises a `ValueError` if the argument `name` is no folder of this machine that can be written to."""
    check_local(name, folder)
    check_writable(folder)


def encode_png(pixels: np.ndarray) -> bytes:
    """A uint8 image `[H, W, 3]` as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def _new_file(folder: Path) -> Path:
    """Makes the event file that TensorBoard reads after all others of a folder, in the order of their names.

    The names begin with the second in which they were made, or, where the clock has gone back since, with one more than
    that of the latest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = (_NAME.match(path.name) for path in folder.iterdir())
    second = max([int(time.time()), *(int(name[1]) + 1 for name in found if name)])
    path = folder / f"events.out.tfevents.{second:010d}.{socket.gethostname()}.{os.getpid()}.{next(_FILES):06d}"
    open(path, "xb").close()
    return path


def _append(path: Path, size: int, content: bytes) -> None:
    """Writes to a file behind its first `size` bytes; after an error it has no more than these."""
    rest = memoryview(content)
    with open(path, "r+b", buffering=0) as file:
        file.seek(size)
        try:
            while rest:
                rest = rest[file.write(rest) :]
        except OSError:
            with suppress(OSError):
                file.truncate(size)  # a reader stops for good at half a record
            raise
