"""Where the members of a zip archive lie, and their bytes where they are stored as they are."""

import os
import struct
import zlib
from dataclasses import dataclass
from io import BufferedIOBase

import numpy as np

from keras_ssl.checkpoints.checkpoint_error import DAMAGED, RESAVE, CheckpointError, short

MAX_DIRECTORY = 2**24  # bytes: about 200,000 members; `torch.save` writes one for each weight
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_FULL16, _FULL32 = 2**16 - 1, 2**32 - 1


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an archive, by what the archive's directory says of it.

    Args:
        name: as it stands in the directory.
        header: offset of its local header.
        size: bytes in the file.
        crc: CRC-32 of its bytes.
        stored: whether its bytes stand in the file as they are, neither compressed nor encrypted.
    """

    name: bytes
    header: int
    size: int
    crc: int
    stored: bool

    def read(self, file: BufferedIOBase) -> np.ndarray:
        """Its bytes (uint8).

        Raises:
            CheckpointError: if the member is compressed or encrypted, or the archive is damaged there.
        """
        if not self.stored:
            raise CheckpointError(
                f"The archive's member {short(self.name)} is compressed or encrypted, which those of checkpoints never "
                f"are. {RESAVE}"
            )
        file.seek(self.header)
        local = file.read(_LOCAL.size)
        if len(local) < _LOCAL.size or local[:4] != b"PK\x03\x04":
            raise CheckpointError(f"The member {short(self.name)} of the archive is not where it should be. {DAMAGED}")
        *_, name_length, extra_length = _LOCAL.unpack(local)
        file.seek(self.header + _LOCAL.size + name_length + extra_length)
        content = bytearray(self.size)
        if file.readinto(content) != self.size or zlib.crc32(content) != self.crc:
            raise CheckpointError(f"The member {short(self.name)} of the archive has the wrong bytes. {DAMAGED}")
        return np.frombuffer(content, np.uint8)


def zip_members(file: BufferedIOBase) -> dict[str, Member]:
    """The members of a zip archive by name.

    `zipfile` would do, but it makes objects of a hostile directory before anyone can look at its size, and it
    inflates. `torch.save` never compresses: without compression no member is larger than the file, and there
    are no zip bombs.

    Args:
        file: open for reading, in binary.

    Raises:
        CheckpointError: if the archive's directory is damaged, too large, or has a name twice.
    """
    length = file.seek(0, os.SEEK_END)
    offset, size = _directory(file, length)
    if size > MAX_DIRECTORY or offset + size > length:
        raise CheckpointError(f"The archive's directory of {size} bytes is too large. {DAMAGED}")
    file.seek(offset)
    directory = file.read(size)
    members: dict[str, Member] = {}
    position = 0
    while position < len(directory):
        member, position = _entry(directory, position)
        if member.header + _LOCAL.size + member.size > offset:
            raise CheckpointError(f"The archive's member {short(member.name)} reaches beyond its end. {DAMAGED}")
        try:
            name = member.name.decode("utf-8")
        except UnicodeDecodeError as error:
            raise CheckpointError(f"The archive has the name {short(member.name)}. {DAMAGED}") from error
        if name in members:
            raise CheckpointError(f"The archive has two members {short(name)}. {DAMAGED}")
        members[name] = member
    return members


def _directory(file: BufferedIOBase, length: int) -> tuple[int, int]:
    """Offset and bytes of the directory."""
    tail_length = min(length, _END.size + _FULL16 + _END64_LOCATOR.size)
    file.seek(length - tail_length)
    tail = file.read(tail_length)
    end = tail.rfind(b"PK\x05\x06")
    if end < 0 or end + _END.size > len(tail):
        raise CheckpointError(f"The archive has no end. {DAMAGED}")
    _, _, _, _, entries, size, offset, _ = _END.unpack_from(tail, end)
    if entries != _FULL16 and size != _FULL32 and offset != _FULL32:
        return offset, size
    if end < _END64_LOCATOR.size or tail[end - _END64_LOCATOR.size :][:4] != b"PK\x06\x07":
        raise CheckpointError(f"The archive has no end for large archives. {DAMAGED}")
    _, _, end64, _ = _END64_LOCATOR.unpack_from(tail, end - _END64_LOCATOR.size)
    if end64 + _END64.size > length:
        raise CheckpointError(f"The archive's end is beyond the file's. {DAMAGED}")
    file.seek(end64)
    signature, *_, size, offset = _END64.unpack(file.read(_END64.size))
    if signature != b"PK\x06\x06":
        raise CheckpointError(f"The archive has no end for large archives. {DAMAGED}")
    return offset, size


def _entry(directory: bytes, position: int) -> tuple[Member, int]:
    """The member whose entry starts at `position`, and where the next starts."""
    if position + _ENTRY.size > len(directory) or directory[position : position + 4] != b"PK\x01\x02":
        raise CheckpointError(f"The archive's directory is not whole. {DAMAGED}")
    entry = _ENTRY.unpack_from(directory, position)
    _, _, _, flags, method, _, _, crc, packed, size, name_length, extra_length, comment_length, *_, header = entry
    position += _ENTRY.size
    name = directory[position : position + name_length]
    extra = directory[position + name_length : position + name_length + extra_length]
    size, packed, header = _large((size, packed, header), extra)
    stored = not method and not flags & 1 and size == packed
    return Member(name, header, packed, crc, stored), position + name_length + extra_length + comment_length


def _large(values: tuple[int, int, int], extra: bytes) -> list[int]:
    """`values`, where those that do not fit in 32 bits are read from the extra field of large archives."""
    position = 0
    large = b""
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == 1:
            large = extra[position + 4 : position + 4 + length]
        position += 4 + length
    needed = sum(value == _FULL32 for value in values)
    if len(large) < 8 * needed:
        raise CheckpointError(f"The archive's directory is not whole. {DAMAGED}")
    sizes = iter(struct.unpack_from(f"<{needed}Q", large))
    return [next(sizes) if value == _FULL32 else value for value in values]
