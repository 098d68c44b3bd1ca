"""Arrays to a safetensors file, without a copy of them in memory."""

import hashlib
import json
import os
import struct
from collections.abc import Iterator, Mapping

import numpy as np

_CODES = {
    "bool": "BOOL",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
}


def write_safetensors(tensors: Mapping[str, np.ndarray], path: str | os.PathLike[str]) -> str:
    """Writes arrays to a safetensors file, one after the other, and has the system put it on the disk.

    `safetensors.numpy.save` first makes one text of bytes of the whole file, which for a model in training is as much
    memory again; and its `save_file` tells a full disk from other faults by words only.

    Args:
        tensors: arrays by name.
        path: the file; an existing one is replaced.

    Returns:
        The SHA-256 of what was written, in hexadecimal: of the bytes in memory, not of those that came to the disk.

    Raises:
        OSError: if the file cannot be written, or the disk is full.
        ValueError: for a dtype that the format does not have.

    Reference: https://huggingface.co/docs/safetensors
    """
    header, end = {}, 0
    for name, tensor in tensors.items():
        if tensor.dtype.name not in _CODES:
            raise ValueError(f"The safetensors format has no such numbers. Received: {name} of dtype {tensor.dtype}")
        start, end = end, end + tensor.nbytes
        header[name] = {"dtype": _CODES[tensor.dtype.name], "shape": tensor.shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that the numbers begin at a multiple of their size
    digest = hashlib.sha256()
    with open(path, "wb") as file:
        for part in _parts(text, tensors):
            digest.update(part)
            file.write(part)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def _parts(header: bytes, tensors: Mapping[str, np.ndarray]) -> Iterator[bytes | memoryview]:
    yield struct.pack("<Q", len(header)) + header
    for tensor in tensors.values():
        little = np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<"))
        yield little.reshape(-1).view(np.uint8).data
