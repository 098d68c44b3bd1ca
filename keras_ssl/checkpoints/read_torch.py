"""PyTorch checkpoints, read without PyTorch and without running anything that they hold."""

import os
from typing import Any

from keras_ssl.checkpoints import torch_stream, torch_zip
from keras_ssl.checkpoints.checkpoint_error import CheckpointError, naming
from keras_ssl.regular_file import open_regular


def read_torch(path: str | os.PathLike[str]) -> Any:
    """Reads what `torch.save` wrote, as NumPy arrays and plain values.

    A PyTorch checkpoint is a pickle, and reading a pickle as Python does can run any code. This reader runs
    none: it builds dicts, lists, tuples, strings, bytes, numbers, None and arrays, and refuses a file that asks
    for anything else. It reads both formats, the zip archive and the stream of versions before 1.6.

    Tensors become arrays of their dtype, with bfloat16 as float32 (which loses nothing); those that share
    memory in PyTorch share it here. Quantised, sparse and complex tensors are refused, and so are files of
    big-endian machines. An `OrderedDict` and an `argparse.Namespace` become dicts, a NumPy number a number, a
    dtype or device its name, a `torch.Size` a tuple.

    What a file can cost is bounded by its own size: its tensors may take at most four times its bytes and
    64 MiB, its pickle 32 MiB and 2^20 operations, its values may be nested 100 deep.

    Args:
        path: the file.

    Raises:
        CheckpointError: if the file cannot be read, is damaged, is no PyTorch checkpoint, or holds anything but
            plain values and tensors; the message says what it was and what to do.

    Example:

        weights = read_torch("resnet50.pth")
        weights["conv1.weight"].shape  # (64, 3, 7, 7)

    Reference: https://docs.pytorch.org/docs/stable/notes/serialization.html
    """
    with naming(path), open_regular(path) as file:
        start = file.read(torch_stream.MAGIC_END)
        if start.startswith(torch_zip.MAGIC):
            return torch_zip.read_torch_zip(file)
        if torch_stream.MAGIC in start:
            return torch_stream.read_torch_stream(file)
        raise CheckpointError(
            f"The file is not a PyTorch checkpoint: it starts with {start[:8]!r}. "
            "`keras_ssl.checkpoints.read_checkpoint` reads other formats."
        )
