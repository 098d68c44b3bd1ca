"""Checkpoints of any format that the library knows."""

import os
import struct
from typing import Any

from keras_ssl.checkpoints import torch_stream, torch_zip
from keras_ssl.checkpoints.checkpoint_error import RESAVE, CheckpointError, naming
from keras_ssl.checkpoints.read_npz import is_npz, read_npz_members
from keras_ssl.checkpoints.read_safetensors import read_safetensors
from keras_ssl.checkpoints.read_tf_variables import checkpoint_prefix, read_tf_variables
from keras_ssl.checkpoints.read_torch import read_torch
from keras_ssl.checkpoints.zip_members import zip_members
from keras_ssl.paths import user_path
from keras_ssl.regular_file import open_regular

# Formats that people bring and that are not read: where their magic stands, and what to say.
_OTHERS = (
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file. Read it with `keras.Model.load_weights` or h5py."),
    (0, b"\x1f\x8b", "compressed by gzip. Unpack it first."),
    (0, b"BZh", "compressed by bzip2. Unpack it first."),
    (0, b"\xfd7zXZ", "compressed by xz. Unpack it first."),
    (0, b"\x93NUMPY", "one NumPy array. Read it with `numpy.load`."),
    (257, b"ustar", "a tar archive, as PyTorch wrote before version 0.1.10. " + RESAVE),
    (0, b"\x80", "a plain pickle, whose reading could run code. " + RESAVE),
    (0, b"<", "a web page or XML, perhaps what a server said instead of the file. Fetch it again."),
)


def read_checkpoint(path: str | os.PathLike[str]) -> Any:
    """Reads a checkpoint as NumPy arrays and plain values, in the format that its content shows.

    The name's extension does not matter. Formats:

    - PyTorch, both formats (`read_torch`): whatever was saved, mostly nested dicts;
    - safetensors (`read_safetensors`): arrays by name;
    - NumPy's archives (`read_npz`): arrays by name;
    - the variables of a TensorFlow checkpoint or SavedModel (`read_tf_variables`): arrays by name. It is given
      by its prefix, its `.index` file, or the folder of a SavedModel.

    Nothing that a file holds is run.

    Args:
        path: a file, a prefix or a folder.

    Raises:
        CheckpointError: if the checkpoint cannot be read, is damaged, or its format is another one; the message
            says which and what to do.

    Example:

        weights = state_dict(read_checkpoint("resnet50.pth"))
    """
    path = user_path(path)
    with naming(path):
        of_tensorflow = checkpoint_prefix(path) is not None
    if of_tensorflow:
        return read_tf_variables(path)
    with naming(path), open_regular(path) as file:
        start = file.read(512)
        size = file.seek(0, os.SEEK_END)
    if start.startswith(torch_zip.MAGIC):
        with naming(path), open_regular(path) as file:
            members = zip_members(file)
            return read_npz_members(file, members) if is_npz(members) else torch_zip.read_torch_zip(file, members)
    if torch_stream.MAGIC in start[: torch_stream.MAGIC_END]:
        return read_torch(path)
    if len(start) > 8 and start[8:9] == b"{" and struct.unpack("<Q", start[:8])[0] <= size - 8:
        return read_safetensors(path)
    for offset, magic, what in _OTHERS:
        if start[offset:].startswith(magic):
            raise CheckpointError(f"The file is {what} Received: path={os.fspath(path)!r}")
    raise CheckpointError(
        f"The file has a format that is not read, starting with {start[:8]!r}; PyTorch checkpoints, safetensors, "
        f"archives of NumPy and TensorFlow checkpoints are. Received: path={os.fspath(path)!r}"
    )
