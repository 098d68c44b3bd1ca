"""Tables of TensorFlow checkpoints written byte by byte, with right checksums; honest ones and others."""

import struct

MAGIC = bytes.fromhex("57fb808b247547db")


def varint(value):
    value &= 2**64 - 1
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    return bytes([*encoded, value])


def field(number, value):
    """A field of a message: a number, or the bytes of a text or of a message in it."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def shape(*sizes, rank=True):
    dimensions = b"".join(field(2, field(1, size)) for size in sizes)
    return dimensions if rank else dimensions + field(3, 1)


def entry(dtype=1, sizes=(2, 3), shard=0, offset=0, size=24, crc=0, extra=b"", rank=True):
    return (
        field(1, dtype)
        + field(2, shape(*sizes, rank=rank))
        + field(3, shard)
        + field(4, offset)
        + field(5, size)
        + varint(6 << 3 | 5)
        + struct.pack("<I", crc)
        + extra
    )


def header(shards=1, endianness=0):
    return field(1, shards) + field(2, endianness) + field(3, field(1, 1))


def _table():
    values = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        values.append(byte)
    return values


_CRC = _table()


def crc32c(content):
    value = 0xFFFFFFFF
    for byte in content:
        value = _CRC[(value ^ byte) & 255] ^ value >> 8
    return value ^ 0xFFFFFFFF


def masked(content):
    value = crc32c(content)
    return ((value >> 15 | value << 17) + 0xA282EAD8) & 0xFFFFFFFF


def block(items, restarts=(0,), counts=None):
    """Entries whose keys stand whole; `counts` replaces the lengths of the first one (shared, rest, value)."""
    body = b""
    for key, value in items:
        lengths = counts or (0, len(key), len(value))
        counts = None
        body += b"".join(map(varint, lengths)) + key + value
    return body + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def table(items, kind=0, handle=None, **how):
    """An index of one block; `handle` replaces where the block is said to be."""
    content = b""

    def add(body):
        nonlocal content
        place = len(content), len(body)
        content += body + bytes([kind]) + struct.pack("<I", masked(body + bytes([kind])))
        return b"".join(map(varint, place))

    place = add(block(items, **how))
    if handle is not None:
        place = b"".join(map(varint, handle))
    meta = add(block([]))
    index = add(block([(b"\xff", place)]))
    return content + (meta + index).ljust(40, b"\0") + MAGIC
