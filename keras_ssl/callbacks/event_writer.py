"""Event files, which TensorBoard reads, written without TensorFlow."""

import io
import os
import socket
import time
from collections.abc import Mapping
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

_FILES = count()


class EventWriter:
    """Appends what TensorBoard shows to a new event file in a folder.

    TensorBoard's own `EventFileWriter` opens its file through TensorFlow wherever that is installed; this one never
    imports it, so that runs on JAX stay without.

    Args:
        folder: the run's folder, made if it is missing.

    Raises:
        ValueError: if the folder cannot be written to, or is an address (`gs://...`).

    Example:

    >>> import tempfile
    >>> writer = EventWriter(tempfile.mkdtemp())
    >>> writer.scalar("loss", 0.5, step=3)
    >>> writer.close()
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        check_local_folder("folder", folder)
        # TensorBoard reads a folder's files in the order of their names: the tenth of a second comes after the ninth.
        number = f"{next(_FILES):06d}"
        place = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{number}"
        self._records = RecordWriter(open(Path(folder) / place, "xb"))
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
        self._value(tag, tensor, images.create_summary_metadata(display_name="", description=description), step)

    def histogram(self, tag: str, edges: np.ndarray, heights: np.ndarray, step: int, description: str = "") -> None:
        """Bars between `edges`, ascending `[K + 1]`, of `heights` `[K]`; the description is Markdown."""
        bars = np.stack([edges[:-1], edges[1:], heights], axis=1).astype(np.float64)
        metadata = histograms.create_summary_metadata(display_name="", description=description)
        self._value(tag, make_tensor_proto(bars), metadata, step)

    def hparams(self, values: Mapping[str, bool | float | str]) -> None:
        """The settings of the run, for the page that compares runs by them."""
        start = plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
        for name, value in values.items():
            kind = "bool" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"
            setattr(start.hparams[name], f"{kind}_value", value)
        self._session(hparams.SESSION_START_INFO_TAG, session_start_info=start)

    def finished(self) -> None:
        """Notes that the run whose `hparams` were written came to its end."""
        end = plugin_data_pb2.SessionEndInfo(status=api_pb2.STATUS_SUCCESS, end_time_secs=time.time())
        self._session(hparams.SESSION_END_INFO_TAG, session_end_info=end)

    def flush(self) -> None:
        """Hands everything to the file, where TensorBoard sees it."""
        self._records.flush()

    def close(self) -> None:
        """Closes the file; nothing can be written after it."""
        self._records.close()

    def _session(self, tag: str, **info: Any) -> None:
        data = plugin_data_pb2.HParamsPluginData(**info)
        self._value(tag, hparams.NULL_TENSOR, hparams.create_summary_metadata(data), step=0)

    def _value(self, tag: str, tensor: TensorProto, metadata: SummaryMetadata, step: int) -> None:
        summary = Summary(value=[Summary.Value(tag=tag, tensor=tensor, metadata=metadata)])
        self._write(Event(summary=summary, step=step))

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())


class SilentWriter(EventWriter):
    """Writes nothing: what all but one of the processes have that train one model."""

    def __init__(self) -> None:
        pass

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _write(self, event: Event) -> None:
        pass


def check_local_folder(name: str, folder: str | os.PathLike[str]) -> None:
    """Raises a `ValueError` if the argument `name` is no folder of this machine that can be written to."""
    if "://" in os.fspath(folder):
        raise ValueError(f"Argument `{name}` must be a folder of this machine. Received: {name}={os.fspath(folder)!r}")
    check_writable(folder)


def encode_png(pixels: np.ndarray) -> bytes:
    """A uint8 image `[H, W, 3]` as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="PNG", optimize=True)
    return stream.getvalue()
