"""Stand-ins for PyTorch's storages and tensors while a checkpoint's pickle is read."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from keras_ssl.checkpoints.checkpoint_error import DAMAGED, RESAVE, CheckpointError, short

MAX_DIMENSIONS = 32
# NumPy has no bfloat16: its bits are read as integers and become float32, which loses nothing.
BFLOAT16 = "bfloat16"


@dataclass(frozen=True)
class Storage:
    """A piece of memory that tensors share, by the name under which the file has it.

    Args:
        key: the file's name for it.
        dtype: a NumPy dtype's name, or `BFLOAT16`.
        size: how many elements it has, as the pickle claims.
        start: where this view of it starts, in elements.
        stop: where the view ends.
    """

    key: str
    dtype: str
    size: int
    start: int
    stop: int

    @property
    def nbytes(self) -> int:
        """Bytes of the whole storage in the file."""
        return self.size * (2 if self.dtype == BFLOAT16 else np.dtype(self.dtype).itemsize)


@dataclass(frozen=True, eq=False)
class TensorPart:
    """A tensor: part of a storage, checked to lie inside it.

    Args:
        storage: its storage.
        offset: of its first element in the storage's view, in elements.
        shape: its shape.
        strides: in elements.
    """

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        if type(self.storage) is not Storage:
            raise CheckpointError(f"A tensor has {short(self.storage)} for a storage. {DAMAGED}")
        for what, value in (("shape", self.shape), ("strides", self.strides), ("offset", (self.offset,))):
            if type(value) is not tuple or len(value) > MAX_DIMENSIONS or not all(_is_size(n) for n in value):
                raise CheckpointError(
                    f"A tensor's {what} must be integers from 0, at most {MAX_DIMENSIONS}; "
                    f"this one has {_listed(value)}. {DAMAGED}"
                )
        if len(self.shape) != len(self.strides):
            raise CheckpointError(
                f"A tensor of shape {_listed(self.shape)} has the strides {_listed(self.strides)}. {DAMAGED}"
            )
        reach = sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        last = self.offset + (reach if 0 not in self.shape else -1)
        if last >= self.storage.stop - self.storage.start:
            raise CheckpointError(
                f"A tensor of shape {_listed(self.shape)} and strides {_listed(self.strides)} at offset "
                f"{self.offset} reaches beyond its storage of {self.storage.stop - self.storage.start} elements. "
                f"{DAMAGED}"
            )

    @property
    def nbytes(self) -> int:
        """Bytes of a copy of the tensor; dimensions of length 0 count as 1, so that none hides the others."""
        itemsize = 4 if self.storage.dtype == BFLOAT16 else np.dtype(self.storage.dtype).itemsize
        return math.prod(max(n, 1) for n in self.shape) * itemsize

    def array(self, content: np.ndarray) -> np.ndarray:
        """The tensor as a view of its storage's elements."""
        if 0 in self.shape:
            return np.empty(self.shape, content.dtype)
        view = content[self.storage.start : self.storage.stop]
        # The stride of a dimension of length 1 counts for nothing and may be too large for NumPy.
        strides = [s * view.itemsize if n > 1 else 0 for n, s in zip(self.shape, self.strides, strict=True)]
        return np.ndarray(self.shape, view.dtype, view, self.offset * view.itemsize, strides)


def make_storage(dtype: str, key: Any, size: Any, view: Any = None) -> Storage:
    """A storage of a persistent id's key, size and view (None, or its key, start and size)."""
    if type(key) is not str or not _is_size(size):
        raise CheckpointError(f"A storage has the key {short(key)} and the size {short(size)}. {DAMAGED}")
    start, length = 0, size
    if view is not None:
        if type(view) is not tuple or len(view) != 3 or not (_is_size(view[1]) and _is_size(view[2])):
            raise CheckpointError(f"A storage is a view by {short(view)}. {DAMAGED}")
        _, start, length = view
        if start + length > size:
            raise CheckpointError(f"A storage's view ends at {start + length}, beyond its {size} elements. {DAMAGED}")
    return Storage(key, dtype, size, start, start + length)


def rebuild_tensor(*arguments: Any) -> TensorPart:
    """Of `storage, offset, size, stride` and what does not matter without gradients."""
    if not 4 <= len(arguments) <= 7:
        raise CheckpointError(f"A tensor is made of {len(arguments)} values. {DAMAGED}")
    if len(arguments) == 7 and arguments[6]:
        raise CheckpointError(f"A tensor is conjugated or negated lazily. {RESAVE}")
    return TensorPart(*arguments[:4])


def rebuild_parameter(*arguments: Any) -> TensorPart:
    """Of a tensor, and what does not matter without gradients."""
    if not arguments or type(arguments[0]) is not TensorPart:
        raise CheckpointError(f"A parameter is made without a tensor. {DAMAGED}")
    return arguments[0]


def decode_storage(raw: np.ndarray, dtype: str) -> np.ndarray:
    """A storage's elements `[size]` of its bytes (uint8); the file is little-endian, the result native."""
    if dtype == BFLOAT16:
        return (raw.view("<u2").astype(np.uint32) << 16).view(np.float32)
    if dtype == "bool":
        return raw != 0
    return raw.view(np.dtype(dtype).newbyteorder("<")).astype(dtype, copy=False)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**62


def _listed(value: Any) -> str:
    if type(value) is not tuple:
        return short(value)
    more = ", ..." if len(value) > 8 else "," if len(value) == 1 else ""
    return f"({', '.join(short(n) for n in value[:8])}{more})"
