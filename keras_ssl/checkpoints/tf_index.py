"""The index of a TensorFlow checkpoint, checked before TensorFlow reads it, whose own checks end the process."""

import math
import os
import struct
from collections.abc import Iterator
from typing import Any

from keras_ssl.checkpoints.checkpoint_error import DAMAGED, CheckpointError, short
from keras_ssl.checkpoints.tensor_parts import MAX_DIMENSIONS
from keras_ssl.regular_file import open_regular, read_regular

INDEX_MAGIC = bytes.fromhex("57fb808b247547db")
"""The end of a table of TensorFlow, little-endian."""
MAX_INDEX = 2**26  # bytes: about a million variables
_FOOTER = 48
_TRAILER = 5  # bytes after each block: its compression and its checksum, which TensorFlow compares
_STRING = 7
_OPAQUE = (20, 21)  # resources and variants, which are no numbers and are not read
# Bytes of an element by the number of its type in TensorFlow's `types.proto`.
_BYTES = {
    **dict.fromkeys((4, 6, 10, 11, 12, 24, 25, 29, 30), 1),  # 8 bits and fewer
    **dict.fromkeys((5, 14, 15, 16, 17, 19), 2),
    **dict.fromkeys((1, 3, 13, 22), 4),
    **dict.fromkeys((2, 8, 9, 23), 8),
    18: 16,
}


def check_index(prefix: str) -> None:
    """Raises unless TensorFlow can read the checkpoint's index and every tensor's bytes are in its files.

    The index is a table of sorted keys in blocks (LevelDB's format). Its first key, the empty one, tells the number of
    data files; every other one is a tensor's: type, shape, file, offset and size.

    Args:
        prefix: of the checkpoint.

    Raises:
        CheckpointError: if anything in the index is not as TensorFlow writes it.
        OSError: if a file cannot be opened, or is not a regular one.

    References: https://github.com/google/leveldb/blob/main/doc/table_format.md,
    https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/protobuf/tensor_bundle.proto
    """
    from tensorflow.core.protobuf.tensor_bundle_pb2 import BundleEntryProto, BundleHeaderProto

    table = _entries(read_regular(f"{prefix}.index", MAX_INDEX))
    key, value = next(table, (b"?", b""))
    if key:
        raise CheckpointError(f"The checkpoint's index has no header. {DAMAGED}")
    header = _message(BundleHeaderProto, key, value)
    if header.endianness != BundleHeaderProto.LITTLE or not 1 <= header.num_shards <= 10**5:
        raise CheckpointError(f"The checkpoint is big-endian, or has {header.num_shards} data files. {DAMAGED}")
    sizes: dict[int, int] = {}
    read = claimed = 0
    for key, value in table:
        entry = _message(BundleEntryProto, key, value)
        problem = _problem(entry, header.num_shards)
        if entry.slices:  # it has no bytes of its own, but room is made for it
            claimed += 0 if problem else math.prod(dimension.size for dimension in entry.shape.dim)
        elif not problem:
            if entry.shard_id not in sizes:
                sizes[entry.shard_id] = _size(f"{prefix}.data-{entry.shard_id:05d}-of-{header.num_shards:05d}")
            read += entry.size
            if entry.offset + entry.size > sizes[entry.shard_id]:
                problem = f"ends at {entry.offset + entry.size} of its file's {sizes[entry.shard_id]} bytes"
        if problem:
            raise CheckpointError(f"The checkpoint's tensor {short(key)} {problem}. {DAMAGED}")
    if max(read, claimed) > sum(sizes.values()):
        raise CheckpointError(
            f"The checkpoint's tensors of {max(read, claimed)} bytes cannot be in its {sum(sizes.values())}. {DAMAGED}"
        )


def _problem(entry: Any, shards: int) -> str:
    """What is wrong with a tensor's entry, or ""."""
    shape = [dimension.size for dimension in entry.shape.dim]
    if entry.dtype not in (*_BYTES, *_OPAQUE, _STRING):
        return f"has the type {entry.dtype}, which is not read"
    if entry.shape.unknown_rank or len(shape) > MAX_DIMENSIONS:
        return f"has {len(shape)} dimensions, or it is not known how many"
    numbers = 1
    for length in shape:
        numbers *= max(length, 1)  # so that no dimension of length 0 hides the others
        if not 0 <= length < 2**62 or numbers >= 2**62:
            return f"has the shape {short(str(shape[:8]))}"
    if not 0 <= entry.shard_id < shards or entry.offset < 0 or entry.size < 0:
        return f"is in the file {entry.shard_id} of {shards}, from {entry.offset}, with {entry.size} bytes"
    for part in entry.slices:
        if len(part.extent) != len(shape) or not all(
            extent.start >= 0
            and (extent.length > 0 if extent.HasField("length") else not extent.start)
            and extent.start + extent.length <= length
            for extent, length in zip(part.extent, shape, strict=True)
        ):
            return "has slices that are no part of it"
    if entry.slices or entry.dtype in _OPAQUE:
        return ""
    count = 0 if 0 in shape else numbers
    wanted = count * _BYTES.get(entry.dtype, 1)  # of a text, at least the byte that tells its length
    if entry.size < wanted or (entry.dtype != _STRING and entry.size != wanted):
        return f"has {entry.size} bytes for {count} elements of the type {entry.dtype}"
    return ""


def _size(path: str) -> int:
    with open_regular(path) as file:
        return os.fstat(file.fileno()).st_size


def _message(kind: Any, key: bytes, value: bytes) -> Any:
    try:
        return kind.FromString(value)
    except Exception as error:  # of the protobuf library at hand
        raise CheckpointError(f"The checkpoint's entry {short(key)} cannot be read. {DAMAGED}") from error


def _entries(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The keys of a table, which rise, and their values."""
    if len(table) < _FOOTER or not table.endswith(INDEX_MAGIC):
        raise CheckpointError(f"The checkpoint's index has no end. {DAMAGED}")
    footer = table[-_FOOTER:]
    position = _handle(footer, _handle(footer, 0)[1])[0]
    last = None
    left = len(table)  # no byte belongs to two blocks
    for _, handle in _block(table, position):
        place = _handle(handle, 0)[0]
        left -= place[1]
        if left < 0:
            raise CheckpointError(f"The blocks of the checkpoint's index overlap. {DAMAGED}")
        for key, value in _block(table, place):
            if last is not None and key <= last:
                raise CheckpointError(f"The keys of the checkpoint's index are not in order. {DAMAGED}")
            last = key
            yield key, value


def _block(table: bytes, place: tuple[int, int]) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block; a key is told by what it has in common with the one before it, and the rest."""
    start, size = place
    if start + size + _TRAILER > len(table) - _FOOTER or size < 4:
        raise CheckpointError(f"A block of the checkpoint's index is not in the file. {DAMAGED}")
    block = table[start : start + size]
    if table[start + size]:
        raise CheckpointError("The checkpoint's index is compressed, which TensorFlow's never are.")
    count = struct.unpack("<I", block[-4:])[0]
    end = size - 4 * (1 + count)
    if end < 0 or not count:
        raise CheckpointError(f"A block of the checkpoint's index has {count} restarts. {DAMAGED}")
    restarts = set(struct.unpack(f"<{count}I", block[end:-4]))
    position, key = 0, b""
    whole = {0, end} if not end else set()  # where a search may start: at keys that stand whole
    while position < end:
        begin = position
        shared, position = _varint(block, position, end)
        unshared, position = _varint(block, position, end)
        length, position = _varint(block, position, end)
        if shared > len(key) or position + unshared + length > end:
            raise CheckpointError(f"An entry of the checkpoint's index is not in its block. {DAMAGED}")
        if not shared:
            whole.add(begin)
        key = key[:shared] + block[position : position + unshared]
        position += unshared
        yield key, block[position : position + length]
        position += length
    if not restarts <= whole:
        raise CheckpointError(f"A restart of the checkpoint's index is not at an entry. {DAMAGED}")


def _handle(content: bytes, position: int) -> tuple[tuple[int, int], int]:
    """Offset and size of a block, and where what tells them ends."""
    offset, position = _varint(content, position, len(content))
    size, position = _varint(content, position, len(content))
    return (offset, size), position


def _varint(content: bytes, position: int, end: int) -> tuple[int, int]:
    """A number of 7 bits a byte, the lowest first, and where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        if position >= end:
            break
        byte = content[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128 and value < 2**63:
            return value, position
    raise CheckpointError(f"A number in the checkpoint's index has no end, or too many bits. {DAMAGED}")
