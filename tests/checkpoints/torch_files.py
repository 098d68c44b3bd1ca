"""PyTorch checkpoints written byte by byte, without PyTorch; honest ones and others."""

import io
import struct
import zipfile

STORAGES = {
    "float32": "Float",
    "float16": "Half",
    "float64": "Double",
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
    "bool": "Bool",
}


class Raw(bytes):
    """Operations of a pickle, where a value stands."""


def name(module, attribute):
    return Raw(f"c{module}\n{attribute}\n".encode())


def call(function, *arguments):
    return Raw(function + encode(arguments) + b"R")


def new(kind, state):
    return Raw(kind + b")\x81" + encode(state) + b"b")


def ordered_dict(items, state=None):
    made = call(name("collections", "OrderedDict")) + encode(items)[1:]
    return Raw(made if state is None else made + encode(state) + b"b")


def encode(value):
    """The operations that make `value`, in protocol 2 and without a memo."""
    if isinstance(value, Raw):
        return bytes(value)
    if value is None or isinstance(value, bool):
        return {None: b"N", True: b"\x88", False: b"\x89"}[value]
    if isinstance(value, int):
        if 0 <= value < 256:
            return b"K" + struct.pack("<B", value)
        content = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
        return b"\x8a" + struct.pack("<B", len(content)) + content
    if isinstance(value, float):
        return b"G" + struct.pack(">d", value)
    if isinstance(value, str):
        content = value.encode()
        return b"X" + struct.pack("<I", len(content)) + content
    if isinstance(value, tuple):
        return b"(" + b"".join(map(encode, value)) + b"t"
    if isinstance(value, list):
        return b"](" + b"".join(map(encode, value)) + b"e"
    return b"}(" + b"".join(encode(k) + encode(v) for k, v in value.items()) + b"u"


def storage(kind, key, size, *view):
    return Raw(encode(("storage", name("torch", f"{kind}Storage"), key, "cpu", size, *view)) + b"Q")


def tensor(stored, offset, shape, strides, *more):
    hooks = call(name("collections", "OrderedDict"))
    return call(name("torch._utils", "_rebuild_tensor_v2"), stored, offset, shape, strides, False, hooks, *more)


def array_tensor(array, key):
    """The tensor of a contiguous array that is alone in its storage."""
    strides = tuple(n // array.itemsize for n in array.strides)
    return tensor(storage(STORAGES[array.dtype.name], key, array.size), 0, array.shape, strides)


def zip_file(value, storages=None, root="archive", extra=None, **options):
    """The bytes of a checkpoint in the zip format; `storages`: bytes by key; a name with "/" in front is whole."""
    members = {"data.pkl": b"\x80\x02" + encode(value) + b".", "byteorder": b"little", "version": b"3\n"}
    members |= {f"data/{key}": bytes(content) for key, content in (storages or {}).items()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", **options) as archive:
        for member, content in (members | (extra or {})).items():
            archive.writestr(member[1:] if member.startswith("/") else f"{root}/{member}", content)
    return stream.getvalue()


MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."


def stream_file(value, storages=None, sizes=None, little_endian=True, keys=None):
    """The bytes of a checkpoint in the format before PyTorch 1.6.

    `sizes` are elements by key, where they have not 4 bytes; `keys` what is listed, if not the storages' keys.
    """
    storages, sizes = storages or {}, sizes or {}
    system = {"protocol_version": 1001, "little_endian": little_endian, "type_sizes": {"int": 4}}
    parts = [MAGIC]
    parts += [
        b"\x80\x02" + encode(part) + b"." for part in (1001, system, value, list(storages) if keys is None else keys)
    ]
    for key, content in storages.items():
        parts += [struct.pack("<q", sizes.get(key, len(content) // 4)), bytes(content)]
    return b"".join(parts)
