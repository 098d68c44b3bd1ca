"""NumPy's archives of arrays, read without its pickles."""

import math
import os
import re
import struct
from collections.abc import Mapping
from io import BufferedIOBase

import numpy as np

from keras_ssl.checkpoints.checkpoint_error import DAMAGED, CheckpointError, naming, short
from keras_ssl.checkpoints.tensor_parts import BFLOAT16, MAX_DIMENSIONS, decode_storage
from keras_ssl.checkpoints.zip_members import Member, zip_members
from keras_ssl.regular_file import open_regular

_MAGIC = b"\x93NUMPY"
_MAX_HEADER = 10_000  # bytes; NumPy writes 128
# What NumPy writes, and nothing else: no expression is evaluated.
_HEADER = re.compile(
    r"\{'descr': '([<>|=]?)([a-zA-Z])(\d{0,3})', 'fortran_order': (True|False), "
    r"'shape': \(((?:\d{1,18}, ?)*(?:\d{1,18})?)\), \}\s*"
)
# Numbers by NumPy's codes. JAX's projects write bfloat16 as two bytes without a type.
_TYPES = {"V2": BFLOAT16, "b1": "bool"} | {
    f"{kind}{size}": np.dtype(f"{kind}{size}").name for kind in "iu" for size in (1, 2, 4, 8)
}
_TYPES |= {f"f{size}": np.dtype(f"f{size}").name for size in (2, 4, 8)}


def read_npz(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """Reads what `numpy.savez` wrote as arrays by name.

    Arrays of objects, which NumPy stores as pickles, are refused, and so are complex numbers, texts, records and
    compressed archives. Two bytes without a type are bfloat16, as projects on JAX write it, and become float32. Nothing
    is read beyond the file's own bytes.

    Args:
        path: the file.

    Returns:
        Arrays by name, sorted.

    Raises:
        CheckpointError: if the file cannot be read, is damaged, or holds anything but arrays of numbers.

    Example:

        weights = read_npz("tips_oss_s14_highres_distilled_vision.npz")

    Reference: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
    """
    with naming(path), open_regular(path) as file:
        return read_npz_members(file, zip_members(file))


def is_npz(members: Mapping[str, Member]) -> bool:
    """Whether an archive's members are NumPy's arrays."""
    return bool(members) and all(name.endswith(".npy") for name in members)


def read_npz_members(file: BufferedIOBase, members: Mapping[str, Member]) -> dict[str, np.ndarray]:
    """As `read_npz`, from an open file and what its directory says."""
    if not is_npz(members):
        odd = next((name for name in members if not name.endswith(".npy")), "nothing")
        raise CheckpointError(f"The archive is not one of NumPy's arrays: it has {short(odd)}. {DAMAGED}")
    # Members may name the same bytes: without this, a small file could ask for much memory.
    if sum(member.size for member in members.values()) > file.seek(0, os.SEEK_END):
        raise CheckpointError(f"The archive's arrays take more bytes than it has. {DAMAGED}")
    return {name.removesuffix(".npy"): _array(name, member.read(file)) for name, member in sorted(members.items())}


def _array(name: str, content: np.ndarray) -> np.ndarray:
    """The array in the bytes of a member."""
    order, code, fortran, shape, start = _header(name, content)
    if code.startswith("O"):
        raise CheckpointError(
            f"The array {short(name)} holds objects, which are pickles and could run code. Save it as numbers."
        )
    if code not in _TYPES or order == ">":
        raise CheckpointError(
            f"The array {short(name)} has the type {order + code!r}, which is not read. Save it as float32."
        )
    raw = content[start:]
    size = 2 if code == "V2" else np.dtype(_TYPES[code]).itemsize
    if raw.nbytes != math.prod(shape) * size:
        raise CheckpointError(
            f"The array {short(name)} has {raw.nbytes} bytes for the shape {shape} of {code}. {DAMAGED}"
        )
    return decode_storage(raw, _TYPES[code]).reshape(shape, order="F" if fortran else "C")


def _header(name: str, content: np.ndarray) -> tuple[str, str, bool, tuple[int, ...], int]:
    """Byte order, type, whether columns come first, shape, and where the numbers begin."""
    start = content[:12].tobytes()
    version = start[6] if len(start) == 12 and start.startswith(_MAGIC) else 0
    if version not in (1, 2, 3):
        raise CheckpointError(f"The archive's member {short(name)} is not an array of NumPy. {DAMAGED}")
    length, begin = (
        (struct.unpack("<H", start[8:10])[0], 10) if version == 1 else (struct.unpack("<L", start[8:])[0], 12)
    )
    text = content[begin : begin + min(length, _MAX_HEADER)].tobytes().decode("latin-1")
    match = _HEADER.fullmatch(text)
    if match is None or length > _MAX_HEADER:
        raise CheckpointError(
            f"The array {short(name)} has the header {short(text)}, which is not one of plain numbers. {DAMAGED}"
        )
    order, kind, size, fortran, sides = match.groups()
    shape = tuple(int(side) for side in sides.replace(" ", "").split(",") if side)
    if len(shape) > MAX_DIMENSIONS:
        raise CheckpointError(f"The array {short(name)} has {len(shape)} dimensions. {DAMAGED}")
    return order, kind + size, fortran == "True", shape, begin + length
