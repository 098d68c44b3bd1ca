"""The end of reading a checkpoint: stand-ins become arrays, and nothing but plain values is left."""

from collections.abc import Callable
from typing import Any

import numpy as np

from keras_ssl.checkpoints.checkpoint_error import DAMAGED, RESAVE, CheckpointError, short
from keras_ssl.checkpoints.pickle_names import DictLike, Name, NumpyType, dict_key
from keras_ssl.checkpoints.tensor_parts import Storage, TensorPart, decode_storage

MAX_DEPTH = 100
_PLAIN = (type(None), bool, int, float, str, bytes)


def finish(value: Any, read: Callable[[Storage], np.ndarray], file_size: int) -> Any:
    """`value` with arrays for its tensors, dicts for what is like a dict, and nothing else that is not plain.

    What the file shares stays shared: tensors of one storage are views of one array, and one object that
    stands in two places is finished once.

    Args:
        value: what the pickle machine made.
        read: the bytes (uint8) of a storage; called once for each that a tensor needs.
        file_size: bytes of the file. All storages together may take as many, since no byte belongs to two, and
            all tensors, as copies, four times as many and 64 MiB: several may share a storage.

    Raises:
        CheckpointError: if the value is cyclic, nested more than `MAX_DEPTH` deep, larger than the file can
            hold, or holds something that is no value.
    """
    return _Finisher(read, file_size).finish(value, 0)


class _Finisher:
    def __init__(self, read: Callable[[Storage], np.ndarray], file_size: int) -> None:
        self._read = read
        self._stored_left = file_size
        self._bytes_left = 4 * file_size + 2**26
        self._contents: dict[str, np.ndarray] = {}
        self._done: dict[int, Any] = {}
        self._open: set[int] = set()

    def finish(self, value: Any, depth: int) -> Any:
        if type(value) in _PLAIN:
            return value
        key = id(value)  # stays its own: the values live until the end
        if key in self._done:
            return self._done[key]
        if key in self._open:
            raise CheckpointError(f"The file holds a value that contains itself. {RESAVE}")
        if depth > MAX_DEPTH:
            raise CheckpointError(f"The file's values are nested more than {MAX_DEPTH} deep. {RESAVE}")
        self._open.add(key)
        self._done[key] = self._finish(value, depth + 1)
        self._open.remove(key)
        return self._done[key]

    def _finish(self, value: Any, depth: int) -> Any:
        if isinstance(value, DictLike):
            return self.finish(value.items, depth)
        if type(value) is dict:
            return {dict_key(key): self.finish(item, depth) for key, item in value.items()}
        if type(value) is list:
            return [self.finish(item, depth) for item in value]
        if type(value) is tuple:
            return tuple(self.finish(item, depth) for item in value)
        if isinstance(value, TensorPart):
            return self._array(value)
        if isinstance(value, Storage):
            return self._array(TensorPart(value, 0, (value.stop - value.start,), (1,)))
        if isinstance(value, NumpyType):
            return value.dtype.name
        if isinstance(value, Name) and value.value is not None:
            return value.value
        what = value.text if isinstance(value, Name) else short(value)
        raise CheckpointError(f"The file holds {what}, which is not a value. {DAMAGED}")

    def _array(self, part: TensorPart) -> np.ndarray:
        self._bytes_left -= part.nbytes
        if self._bytes_left < 0:
            raise CheckpointError(
                "The file's tensors would take more bytes than a file of its size can hold: they are expanded "
                "from fewer elements. Save them after `.contiguous()`."
            )
        storage = part.storage
        if storage.key not in self._contents:
            self._stored_left -= storage.nbytes
            if self._stored_left < 0:
                raise CheckpointError(f"The file's storages take more bytes than it has. {DAMAGED}")
            self._contents[storage.key] = decode_storage(self._read(storage), storage.dtype)
        return part.array(self._contents[storage.key])
