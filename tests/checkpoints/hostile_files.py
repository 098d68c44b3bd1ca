"""Checkpoints that try to run code or to exhaust memory, and those that are merely wrong, by name."""

import os
import pickle
import struct
import zipfile

import numpy as np

from tests.checkpoints.torch_files import (
    Raw,
    array_tensor,
    call,
    encode,
    name,
    new,
    ordered_dict,
    storage,
    stream_file,
    tensor,
    zip_file,
)

ONES = np.ones(6, "float32").tobytes()
DEEP = 300_000  # deep enough to overflow what recurses
MANY = 1_100_000  # more operations than are run


class Trick:
    """What a pickle calls when Python reads it."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def code(canary):
    """Values that run code when Python reads them; what they run creates the file `canary`."""
    touch = f"touch {canary}"
    program = f"open({str(canary)!r}, 'w')"
    tricks = {"system": Trick(os.system, touch), "exec": Trick(exec, program), "eval": Trick(eval, program)}
    values = {}
    for protocol in range(6):
        for label, trick in tricks.items():
            values[f"reduce_{label}_{protocol}"] = Raw(pickle.dumps(trick, protocol)[:-1])
    nested = {"state_dict": {"a": [1, (2, Raw(pickle.dumps(tricks["system"], 2)[:-1]))]}}
    argument = Raw(encode(touch))
    return values | {
        "nested": nested,
        "in_ordered_dict": ordered_dict({"a": Raw(pickle.dumps(tricks["system"], 2)[:-1])}),
        "in_namespace": new(name("argparse", "Namespace"), {"a": Raw(pickle.dumps(tricks["exec"], 2)[:-1])}),
        "as_hook": call(
            name("torch._utils", "_rebuild_tensor_v2"), 0, 0, (), (), False, call(name("os", "system"), touch)
        ),
        "global": call(name("os", "system"), touch),
        "posix": call(name("posix", "system"), touch),
        "builtin": call(name("__builtin__", "eval"), program),
        "getattr": call(name("builtins", "getattr"), name("os", "path"), "os"),
        "import": call(name("builtins", "__import__"), "this"),
        "popen": call(name("subprocess", "Popen"), ["touch", str(canary)]),
        "dotted": call(name("torch", "serialization.os.system"), touch),
        "dotted_module": call(name("collections", "OrderedDict.__class__"), "x"),
        "through_numpy": call(name("numpy", "load"), str(canary)),
        "through_torch": call(name("torch", "load"), str(canary)),
        "reconstructor": call(name("copyreg", "_reconstructor"), name("os", "system"), name("os", "system"), None),
        "encoding": call(name("_codecs", "encode"), "a", "rot13"),
        "stack_global": Raw(b"\x8c\x05posix\x8c\x06system\x93" + encode((touch,)) + b"R"),
        "inst": Raw(b"(" + argument + b"ios\nsystem\n"),
        "obj": Raw(b"(cos\nsystem\n" + argument + b"o"),
        "new": Raw(name("subprocess", "Popen") + encode(("touch",)) + b"\x81"),
        "new_ex": Raw(name("subprocess", "Popen") + encode((touch,)) + b"}\x92"),
        "extension": Raw(b"\x82\x01" + encode((touch,)) + b"R"),
        "persistent_text": Raw(b"Pos.system\n"),
        "module": Raw(encode(("module", name("torch.nn", "Linear"), "source.py", "import os")) + b"Q"),
        "state_of_list": Raw(b"]" + encode({"__class__": 1}) + b"b"),
        "state_with_slots": Raw(name("argparse", "Namespace") + b")\x81" + encode((None, {"__class__": 1})) + b"b"),
        "call_of_a_class": call(name("argparse", "Namespace"), 1),
        "call_of_a_storage": call(name("torch", "FloatStorage"), 3),
        "call_of_a_value": Raw(encode(1) + encode((1,)) + b"R"),
        "new_of_a_function": Raw(name("torch", "Size") + b")\x81"),
        "new_with_arguments": Raw(name("argparse", "Namespace") + encode((1,)) + b"\x81"),
    }


def structures():
    """Values that are cyclic, nested, large, or not values."""
    namespace = name("argparse", "Namespace")
    pairs = encode([[f"{i}", i] for i in range(1000)]) + b"q\x00"
    long_text = Raw(encode("a" * 900_000) + b"q\x01")
    again = Raw(name("_codecs", "encode") + b"(h\x01" + encode("latin1") + b"tR")
    return {
        "list_in_itself": Raw(b"]q\x00h\x00a"),
        "dict_in_itself": Raw(b"}q\x00" + encode("a") + b"h\x00s"),
        "namespace_in_itself": Raw(namespace + b")\x81q\x00}" + encode("a") + b"h\x00sb"),
        "tuple_in_itself": Raw(b"]q\x00h\x00\x85a"),
        "nested_lists_moderately": Raw(b"]" * 200 + b"a" * 199),
        "list_key": Raw(b"}]Ns"),
        "name_key": Raw(b"}" + name("torch", "float32") + b"Ns"),
        "long_integer_key": {2**70: 1},
        "name": [name("torch", "FloatStorage")],
        "function": name("torch._utils", "_rebuild_tensor_v2"),
        "copied_pairs": Raw(b"](" + pairs + (name("collections", "OrderedDict") + b"h\x00\x85R") * 10000 + b"e"),
        "copied_text": [long_text] + [again] * 2000,
        "long_integer": Raw(b"\x8b" + struct.pack("<i", 2**31 - 1) + b"\xff"),
        "text_beyond_the_end": Raw(b"X" + struct.pack("<I", 2**32 - 1)),
        "bytes_beyond_the_end": Raw(b"B" + struct.pack("<I", 2**32 - 1)),
        "bytes_of_64_bits": Raw(b"\x8e" + struct.pack("<Q", 2**62)),
        "frame_beyond_the_end": Raw(b"\x95" + struct.pack("<Q", 2**62)),
        "no_utf8": Raw(b"X\x01\0\0\0\xff"),
        "odd_items": Raw(b"}(" + encode("a") + b"u"),
        "no_memo": Raw(b"h\x07"),
        "nothing": Raw(b""),
        "below_mark": Raw(b"N(a"),
        "no_mark": Raw(b"Nt"),
        "endless_name": Raw(b"c" + b"a" * 1000),
        "no_mapping": Raw(encode(1) + encode("a") + b"Ns"),
        "protocol": Raw(b"\x80\x99N"),
        "numpy_object": call(name("numpy", "dtype"), "O8", False, True),
        "numpy_large": call(name("numpy", "dtype"), "f8" * 100, False, True),
        "numpy_void": call(name("numpy", "dtype"), "V1000000000", False, True),
        "numpy_number_of_nothing": call(name("numpy.core.multiarray", "scalar"), None, None),
        "numpy_number_too_short": call(
            name("numpy.core.multiarray", "scalar"), call(name("numpy", "dtype"), "f8", False, True), Raw(b"C\x01a")
        ),
        "numpy_array": call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), (0,), "b"),
        "pairs_of_one": call(name("collections", "OrderedDict"), [["a"]]),
        "size_of_a_number": call(name("torch", "Size"), 3),
        "device_of_a_list": call(name("torch", "device"), []),
        "parameter_of_nothing": call(name("torch._utils", "_rebuild_parameter"), None, True, None),
    }


def endless():
    """Values that take about a second to refuse."""
    return {
        "nested_lists": Raw(b"]" * DEEP + b"a" * (DEEP - 1)),
        "nested_tuples": Raw(b")" + b"\x85" * DEEP),
        "nested_key": Raw(b"})" + b"\x85" * DEEP + b"Ns"),
        "many_lists": Raw(b"(" + b"]" * MANY + b"t"),
        "many_marks": Raw(b"(" * MANY),
        "much_memo": Raw(b"N" + b"\x94" * MANY),
    }


def shared():
    """Values that are small as long as nobody copies what they share."""
    state = encode({f"a{i}": i for i in range(1000)}) + b"q\x01"
    return {
        "doubling_tuples": Raw(b"(t" + b"q\x00h\x00\x86" * 90),
        "doubling_lists": Raw(b"(]" + b"q\x00](h\x00h\x00e" * 90 + b"t"),
        "one_state": Raw(b"](" + state + (name("argparse", "Namespace") + b")\x81h\x01b") * 40000 + b"e"),
    }


def heavy():
    """Values that are read and take as much memory as a small file can ask for."""
    return {
        "full_of_dicts": Raw(b"(" + b"}" * (MANY - 100_000) + b"t"),
        "full_of_arrays": [tensor(storage("Float", "0", 6), 0, (1,), (1,))] * 20_000,
        "wide_text": "a" * 30_000_000 + "\U0001f600",
    }


def tensors():
    """Tensors that do not lie in the storage "0" of six float32."""
    stored = storage("Float", "0", 6)
    expanded = tensor(stored, 0, (10**7,), (0,))
    return {
        "no_storage": tensor(None, 0, (1,), (1,)),
        "negative_stride": tensor(stored, 5, (6,), (-1,)),
        "negative_shape": tensor(stored, 0, (-1,), (1,)),
        "negative_offset": tensor(stored, -1, (1,), (1,)),
        "two_negative_dimensions": tensor(stored, 0, (-2, -3), (3, 1)),
        "offset": tensor(stored, 6, (1,), (1,)),
        "offset_of_nothing": tensor(stored, 7, (0,), (1,)),
        "too_long": tensor(stored, 0, (7,), (1,)),
        "stride_too_long": tensor(stored, 0, (2, 2), (5, 1)),
        "overflowing": tensor(stored, 0, (2, 2), (2**61, 2**61)),
        "overflowing_64_bits": tensor(stored, 0, (2,), (2**64,)),
        "shape_bomb": tensor(stored, 0, (2**40, 2**20), (1, 1)),
        "expanded_bomb": tensor(stored, 0, (2**40,), (0,)),
        "expanded_many": [expanded] * 100,
        "empty_bomb": tensor(stored, 0, (0, 2**61), (1, 1)),
        "dimensions": tensor(stored, 0, (1,) * 33, (1,) * 33),
        "many_dimensions": tensor(stored, 0, (1,) * 10**5, (1,) * 10**5),
        "strides_missing": tensor(stored, 0, (1, 1), (1,)),
        "bool_shape": tensor(stored, 0, (True,), (1,)),
        "float_shape": tensor(stored, 0, (1.0,), (1,)),
        "list_shape": tensor(stored, 0, [1], [1]),
        "conjugate": tensor(stored, 0, (1,), (1,), {"conj": True}),
        "few_arguments": call(name("torch._utils", "_rebuild_tensor"), stored, 0),
        "many_arguments": tensor(stored, 0, (1,), (1,), None, None),
        "other_size": tensor(storage("Float", "0", 7), 0, (1,), (1,)),
        "huge_storage": tensor(storage("Float", "0", 2**61), 0, (1,), (1,)),
        "negative_storage": tensor(storage("Float", "0", -6), 0, (1,), (1,)),
        "missing_storage": tensor(storage("Float", "1", 6), 0, (1,), (1,)),
        "climbing_storage": tensor(storage("Float", "../data.pkl", 6), 0, (1,), (1,)),
        "storage_key": tensor(storage("Float", 0, 6), 0, (1,), (1,)),
        "other_type": [tensor(stored, 0, (1,), (1,)), tensor(storage("Int", "0", 6), 0, (1,), (1,))],
        "unknown_type": tensor(storage("ComplexFloat", "0", 3), 0, (1,), (1,)),
        "no_type": Raw(encode(("storage", "Float", "0", "cpu", 6)) + b"Q"),
        "not_a_storage": Raw(encode(("something", 1, "0", "cpu", 6)) + b"Q"),
        "short_storage": Raw(encode(("storage",)) + b"Q"),
        "text_storage": Raw(encode("storage") + b"Q"),
        "view_too_long": tensor(storage("Float", "0", 6, ("v", 3, 4)), 0, (1,), (1,)),
        "view_of_two": tensor(storage("Float", "0", 6, ("v", 3)), 0, (1,), (1,)),
        "negative_view": tensor(storage("Float", "0", 6, ("v", -1, 4)), 0, (1,), (1,)),
        "beyond_view": tensor(storage("Float", "0", 6, ("v", 2, 2)), 0, (3,), (1,)),
    }


def both_formats(values):
    """The values in both formats, by name, with the storage "0" where they name it."""
    files = {}
    for label, value in values.items():
        storages = {"0": ONES} if encode("0") in encode(value) else {}
        files[f"{label}.zip"] = zip_file(value, storages)
        files[f"{label}.stream"] = stream_file(value, storages)
    return files


def archives():
    """Zip archives that are bombs, not whole, or no checkpoints."""
    weights = array_tensor(np.ones(6, "float32"), "0")
    honest = zip_file(weights, {"0": ONES})
    bomb = zip_file(tensor(storage("Byte", "0", 2**26), 0, (2**26,), (1,)), {"0": bytes(2**26)}, compression=8)
    files = {
        "bomb": bomb,
        "compressed": zip_file(weights, {"0": ONES}, compression=zipfile.ZIP_DEFLATED),
        "encrypted": patched(honest, b"PK\x01\x02", 8, b"\x01"),
        "overlapping": overlapping(),
        "big_directory": zip_file(weights, {"0": ONES}, extra={f"{i:06}" * 300: b"" for i in range(10000)}),
        "two_pickles": zip_file(weights, {"0": ONES}, extra={"/other/data.pkl": b"N."}),
        "no_pickle": honest.replace(b"data.pkl", b"data.pkk"),
        "script": zip_file(weights, {"0": ONES}, extra={"code/__torch__.py": b"import os"}),
        "script_constants": zip_file(weights, {"0": ONES}, extra={"constants.pkl": b"N."}),
        "big_endian": zip_file(weights, {"0": ONES}, extra={"byteorder": b"big"}),
        "wrong_bytes": honest.replace(ONES, ONES[:-1] + b"\x01"),
        "same_name": zip_file(weights, {"0": ONES}, extra={"vers1on": b""}).replace(b"vers1on", b"version"),
        "no_name": honest.replace(b"archive/version", b"archive/v\xffrsion"),
        "header_elsewhere": patched(honest, b"PK\x01\x02", 42, struct.pack("<L", 7)),
        "header_beyond": patched(honest, b"PK\x01\x02", 42, struct.pack("<L", 2**31)),
        "size_beyond": patched(honest, b"PK\x01\x02", 20, struct.pack("<2L", 2**31, 2**31)),
        "size_64_missing": patched(honest, b"PK\x01\x02", 20, b"\xff" * 8),
        "directory_beyond": patched(honest, b"PK\x05\x06", 12, struct.pack("<2L", 2**20, 2**31)),
        "directory_inside": patched(honest, b"PK\x05\x06", 16, struct.pack("<L", 3)),
        "end_64_missing": patched(honest, b"PK\x05\x06", 16, b"\xff" * 4),
        "no_end": honest.replace(b"PK\x05\x06", b"PK\x05\x07"),
        "two_directories": zip_file(weights, {"0": ONES}) + b"PK\x05\x06",
    }
    end64 = b"PK\x06\x07" + struct.pack("<LQL", 0, 2**62, 1)
    end = honest.index(b"PK\x05\x06")
    files["end_64_beyond"] = patched(honest[:end] + end64 + honest[end:], b"PK\x05\x06", 16, b"\xff" * 4)
    return {f"{label}.zip": content for label, content in files.items()}


def overlapping(count=400):
    """`count` storages of 1 MiB that are all the same bytes of the file."""
    content = bytes(2**20)
    weights = [tensor(storage("Byte", f"{i:03}", len(content)), 0, (1,), (1,)) for i in range(count)]
    archive = zip_file(weights, {"000": content})
    return listed_again(archive, b"archive/data/000", [b"archive/data/%03d" % i for i in range(1, count)])


def many_members():
    """An archive whose directory is nearly as large as it may be."""
    archive = zip_file(array_tensor(np.ones(6, "float32"), "0"), {"0": ONES}, extra={"/000000": b""})
    return listed_again(archive, b"000000", [b"%06d" % i for i in range(1, 300_000)])


def listed_again(archive, member, names):
    """The archive with the directory's entry of a member repeated under other names of the same length."""
    start, end = archive.index(b"PK\x01\x02"), archive.index(b"PK\x05\x06")
    position = archive.index(member, start)
    head = archive[position - 46 : position]
    more = b"".join(head + name for name in names)
    size = struct.pack("<L", end - start + len(more))
    return patched(archive[:end] + more + archive[end:], b"PK\x05\x06", 12, size)


def patched(archive, signature, offset, content):
    """The archive with other bytes in its last record of this kind."""
    position = archive.rindex(signature) + offset
    return archive[:position] + content + archive[position + len(content) :]
