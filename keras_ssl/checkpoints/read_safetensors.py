"""Safetensors files as NumPy arrays."""

import os
import struct
from typing import Any

import numpy as np
from safetensors import deserialize

from keras_ssl.checkpoints.checkpoint_error import DAMAGED, CheckpointError, naming, short
from keras_ssl.checkpoints.tensor_parts import BFLOAT16, decode_storage
from keras_ssl.regular_file import read_regular

MAX_HEADER = 2**24  # bytes: about 100,000 tensors
_DTYPES = {
    "BF16": BFLOAT16,
    "BOOL": "bool",
    "F16": "float16",
    "F32": "float32",
    "F64": "float64",
    "I8": "int8",
    "I16": "int16",
    "I32": "int32",
    "I64": "int64",
    "U8": "uint8",
    "U16": "uint16",
    "U32": "uint32",
    "U64": "uint64",
}


def read_safetensors(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads a safetensors file as arrays by name.

    Arrays have the file's dtypes, with bfloat16 as float32, which loses nothing.

    Args:
        path: the file.

    Returns:
        Arrays by name, sorted.

    Raises:
        CheckpointError: if the file cannot be read, is damaged, or has a dtype that NumPy does not.

    Example:

        weights = read_safetensors("model.safetensors")

    Reference: https://huggingface.co/docs/safetensors
    """
    with naming(path):
        return parse_safetensors(read_regular(path))


def parse_safetensors(content: bytes) -> dict[str, np.ndarray]:
    """As `read_safetensors`, from the bytes of a file.

    Raises:
        CheckpointError: if they are not a whole file, or it has a dtype that NumPy does not.
    """
    # The library allows headers that take more memory than any file of weights needs.
    if len(content) < 8 or struct.unpack("<Q", content[:8])[0] > MAX_HEADER:
        raise CheckpointError(f"The file has no safetensors header of at most {MAX_HEADER} bytes. {DAMAGED}")
    try:
        tensors = deserialize(content)  # type: ignore[no-untyped-call]
    except Exception as error:  # SafetensorError, and for headers at the limits of the parser whatever it raises
        raise CheckpointError(f"The file is not a whole safetensors file ({str(error)[:200]}). {DAMAGED}") from error
    return {name: _array(name, tensor["dtype"], tensor) for name, tensor in sorted(tensors, key=lambda item: item[0])}


def _array(name: str, dtype: str, tensor: dict[str, Any]) -> np.ndarray:
    if dtype not in _DTYPES:
        raise CheckpointError(
            f"The tensor {short(name)} has the dtype {dtype}, which is not read. Convert it to float32 before saving."
        )
    raw = np.frombuffer(tensor["data"], np.uint8)
    try:
        return decode_storage(raw, _DTYPES[dtype]).reshape(tensor["shape"])
    except ValueError as error:
        raise CheckpointError(f"The tensor {short(name)} has an impossible shape ({error}). {DAMAGED}") from error
