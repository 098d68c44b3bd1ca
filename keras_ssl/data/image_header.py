"""What the first and last bytes of an image file tell: its kind, whether it is whole, which way is up."""

import os
import struct
from collections.abc import Callable

from keras_ssl.data.read_at import read_at
from keras_ssl.regular_file import regular_descriptor

MAX_BYTES = 2**30
"""Largest size of an image file: what is larger is no photo, and would be read into memory as a whole."""
HEAD = 4096
_TAIL = 12
_ORIENTATION = 0x0112  # the tag's number
_SHORT = 3  # the number of its type
_PARTS = 256  # segments or chunks that are looked through

Reader = Callable[[int, int], bytes]


def read_header(path: str | bytes, orientation: bool = True) -> tuple[str, bool, int]:
    """Looks at both ends of an image file.

    Args:
        path: the file.
        orientation: whether to look for the EXIF orientation of a JPEG or PNG file.

    Returns:
        `(kind, whole, orientation)`: "jpeg", "png" or "other"; whether the file ends as its kind does (False for
        "other"); and the EXIF orientation, 1 to 8, where 1 is upright.

    Raises:
        OSError: if it cannot be read, is no regular file, or is larger than `MAX_BYTES`.
    """
    descriptor, size = regular_descriptor(path, MAX_BYTES)  # type: ignore[arg-type]  # bytes are a path, too
    try:
        head = read_at(descriptor, HEAD, 0)
        tail = head[-_TAIL:] if len(head) == size else read_at(descriptor, _TAIL, max(0, size - _TAIL))

        def read(count: int, offset: int) -> bytes:
            inside = head[offset : offset + count]
            return inside if len(inside) == count or len(head) < HEAD else read_at(descriptor, count, offset)

        if head.startswith(b"\xff\xd8"):
            return "jpeg", tail.endswith(b"\xff\xd9"), jpeg_orientation(head, read) if orientation else 1
        if head.startswith(b"\x89PNG\r\n\x1a\n"):
            return "png", tail[4:8] == b"IEND", png_orientation(head, read) if orientation else 1
    finally:
        os.close(descriptor)
    return "other", False, 1


def jpeg_orientation(head: bytes, read: Reader) -> int:
    """The orientation that a JPEG file tells; `read(count, offset)` gives bytes of it, which begins with `head`."""
    if b"Exif\x00\x00" not in head and b"\xff\xda" in head:
        return 1  # the pixels begin in `head`, which is so of nearly all files without the tag
    position = 2
    for _ in range(_PARTS):
        start = read(10, position)
        if len(start) < 4 or start[0] != 0xFF or start[1] in (0xD9, 0xDA):
            return 1
        if start[1] == 0xFF:  # fill
            position += 1
            continue
        length = int.from_bytes(start[2:4], "big")
        if start[1] == 0xE1 and start[4:10] == b"Exif\x00\x00":
            return exif_orientation(read(max(0, length - 8), position + 10))
        position += 2 + length
    return 1


def png_orientation(head: bytes, read: Reader) -> int:
    """The orientation that a PNG file tells before its pixels."""
    if b"eXIf" not in head and b"IDAT" in head:
        return 1
    position = 8
    for _ in range(_PARTS):
        start = read(8, position)
        if len(start) < 8 or start[4:] in (b"IDAT", b"IEND"):
            return 1
        length = int.from_bytes(start[:4], "big")
        if start[4:] == b"eXIf":
            return exif_orientation(read(min(length, 2**16), position + 8))
        position += 12 + length
    return 1


def exif_orientation(exif: bytes) -> int:
    """The orientation in EXIF data (which are a TIFF file), 1 to 8; 1 where there is none or it is damaged."""
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(exif[:4])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for number in range(count):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, start + 2 + 12 * number)
            if tag == _ORIENTATION:
                return value if kind == _SHORT and 1 <= value <= 8 else 1
    except struct.error:
        pass  # cut off, or an offset that leads out of it
    return 1
