import struct

import numpy as np
import pytest

from keras_ssl.checkpoints import CheckpointError, read_torch
from tests.checkpoints import make_torch_files
from tests.checkpoints.torch_files import (
    STORAGES,
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

BASE = np.arange(24, dtype="float32")


def assert_equal(actual, expected):
    """Equal in structure, type, dtype and every number."""
    assert type(actual) is type(expected)
    if isinstance(expected, dict):
        assert list(actual) == list(expected)
        actual, expected = list(actual.values()), list(expected.values())
    if isinstance(expected, list | tuple):
        assert len(actual) == len(expected)
        for a, b in zip(actual, expected, strict=True):
            assert_equal(a, b)
    elif isinstance(expected, np.ndarray):
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)
        assert actual.shape == expected.shape
    else:
        assert actual == expected


@pytest.fixture(params=[zip_file, stream_file], ids=["zip", "stream"])
def read(request, tmp_path):
    """Reads a value that was written in one of the two formats."""

    def write_and_read(value, storages=None, **options):
        path = tmp_path / "checkpoint.anything"
        path.write_bytes(request.param(value, storages, **options))
        return read_torch(path)

    write_and_read.format = request.param
    return write_and_read


@pytest.mark.parametrize("format", ["zip", "stream"])
def test_files_that_pytorch_wrote(format):
    assert_equal(read_torch(make_torch_files.DATA / f"values_{format}.pt"), make_torch_files.expected())


def test_plain_values(read):
    value = {"none": None, "flags": [True, False], "numbers": (1, -1, 300, -(2**62), 2**200, 0.1), 7: "ü", "": {}}
    assert_equal(read(value), value)


@pytest.mark.parametrize("dtype", STORAGES)
def test_every_dtype(read, dtype):
    array = make_torch_files.numbers(dtype)
    sizes = {} if read.format is zip_file else {"sizes": {"0": 12}}
    assert_equal(read([array_tensor(array, "0")], {"0": array.tobytes()}, **sizes), [array])


def test_bfloat16_is_float32_and_exact(read):
    bits = np.array([0x3F80, 0xC000, 0x7F80, 0x0001, 0x8000], "uint16")
    sizes = {} if read.format is zip_file else {"sizes": {"0": 5}}
    (array,) = read([tensor(storage("BFloat16", "0", 5), 0, (5,), (1,))], {"0": bits.tobytes()}, **sizes)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, np.array([1, -2, np.inf, 2.0**-133, -0.0], "float32"))
    assert np.signbit(array[4])


def test_views_share_their_storage(read):
    stored = storage("Float", "0", 24)
    value = [
        tensor(stored, 0, (4, 6), (6, 1)),
        tensor(stored, 0, (6, 4), (1, 6)),
        tensor(stored, 8, (2, 2), (6, 2)),
        tensor(stored, 3, (), ()),
        tensor(stored, 23, (1, 1), (2**61, 5)),
        tensor(stored, 24, (2, 0), (0, 7)),
    ]
    grid = BASE.reshape(4, 6)
    arrays = read(value, {"0": BASE.tobytes()})
    assert_equal(arrays, [grid, grid.T, grid[1:3, 2::2], np.array(3, "float32"), BASE[23:].reshape(1, 1), grid[:2, :0]])
    arrays[0][1, 2] = -5
    assert arrays[1][2, 1] == arrays[2][0, 0] == -5


def test_the_same_object_twice_is_the_same_array_twice(read):
    twice = Raw(array_tensor(BASE, "0") + b"q\x07")
    arrays = read([twice, Raw(b"h\x07")], {"0": BASE.tobytes()})
    assert arrays[0] is arrays[1]


def test_views_of_storages_in_very_old_files(read):
    value = [tensor(storage("Float", "0", 24, ("view", 4, 6)), 1, (5,), (1,))]
    assert_equal(read(value, {"0": BASE.tobytes()}), [BASE[5:10]])


def test_a_bare_storage_is_a_flat_array(read):
    assert_equal(read([storage("Float", "0", 24)], {"0": BASE.tobytes()}), [BASE])


def test_ordered_dicts_and_namespaces_are_dicts(read):
    weights = ordered_dict({"a": 1, "b": 2}, {"_metadata": ordered_dict({"": {"version": 1}})})
    pairs = call(name("collections", "OrderedDict"), [["a", 1], ("b", 2)])  # as Python 2 wrote it
    args = new(name("argparse", "Namespace"), {"lr": 0.1, "self": "args"})
    assert_equal(read([weights, pairs, args]), [{"a": 1, "b": 2}, {"a": 1, "b": 2}, {"lr": 0.1, "self": "args"}])


@pytest.mark.parametrize("module", ["numpy.core.multiarray", "numpy._core.multiarray"])
def test_numpy_numbers_are_numbers(read, module):
    def number(code, content, order="<"):
        kind = Raw(
            call(name("numpy", "dtype"), code, False, True) + encode((3, order, None, None, None, -1, -1, 0)) + b"b"
        )
        return call(name(module, "scalar"), kind, content)

    value = [
        number("f8", call(name("_codecs", "encode"), struct.pack("<d", 2.5).decode("latin-1"), "latin1")),
        number("f4", Raw(b"C\x04" + struct.pack(">f", -1.5)), ">"),
        number("i8", Raw(b"U\x08" + struct.pack("<q", -200))),  # Python 2
        number("b1", Raw(b"B\x01\0\0\0\x01"), "|"),
    ]
    assert_equal(read(value), [2.5, -1.5, -200, True])


def test_names_of_pytorch_are_values(read):
    value = [
        name("torch", "float16"),
        call(name("torch", "device"), "cuda", 1),
        call(name("torch", "device"), "cpu"),
        call(name("torch", "Size"), (2, 3)),
    ]
    assert_equal(read(value), ["float16", "cuda:1", "cpu", (2, 3)])


def test_the_operations_of_newer_protocols(read):
    torch_size = b"\x8c\x05torch\x94\x8c\x04Size\x94\x93\x94"
    value = Raw(
        b"\x95\x20\0\0\0\0\0\0\0" + torch_size + b"K\x01K\x02\x86\x94\x85\x94R\x94h\x03j\x04\0\0\0\x87r\x09\0\0\0"
    )
    assert_equal(read(value), ((1, 2), (1, 2), ((1, 2),)))


def test_parameters_are_tensors(read):
    value = call(name("torch._utils", "_rebuild_parameter"), array_tensor(BASE, "0"), True, None)
    assert_equal(read([value], {"0": BASE.tobytes()}), [BASE])


def test_a_file_that_is_none(tmp_path):
    path = tmp_path / "text.pth"
    path.write_text("hello")
    with pytest.raises(
        CheckpointError, match=r"not a PyTorch checkpoint: it starts with b'hello'.*Received: path=.*text"
    ):
        read_torch(path)
    with pytest.raises(CheckpointError, match="cannot be read.*Received: path=.*missing"):
        read_torch(tmp_path / "missing.pth")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_torch(tmp_path)
