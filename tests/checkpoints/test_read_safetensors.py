import json
import struct

import numpy as np
import pytest
from safetensors.numpy import save

from keras_ssl.checkpoints import CheckpointError, read_safetensors

DTYPES = "float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool".split()


def written(path, header, content=b""):
    """A safetensors file, byte by byte."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + content)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.anything"


def test_every_dtype_comes_back(path):
    arrays = {dtype: (np.arange(6).reshape(2, 3) % 2).astype(dtype) for dtype in DTYPES}
    arrays |= {"scalar": np.array(3.0), "empty": np.zeros((0, 2))}
    path.write_bytes(save(arrays, metadata={"format": "pt"}))
    read = read_safetensors(path)
    assert list(read) == sorted(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype and read[name].shape == array.shape
        np.testing.assert_array_equal(read[name], array)


def test_bfloat16_is_float32_and_exact(path):
    header = {"a": {"dtype": "BF16", "shape": [3, 1], "data_offsets": [0, 6]}}
    array = read_safetensors(written(path, header, np.array([0x3F80, 0xC000, 0x0001], "<u2").tobytes()))["a"]
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, np.array([[1], [-2], [2.0**-133]], "float32"))


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [2**62], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [2, 2**63], "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [0, 2**62, 2**62], "data_offsets": [0, 0]}},
        {"a": {"dtype": "F32", "shape": [1] * 100, "data_offsets": [0, 4]}},
        {"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}},
        {"a": {"dtype": "F99", "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "C64", "shape": [1], "data_offsets": [0, 8]}},
        {"a": {"dtype": "F8_E4M3", "shape": [4], "data_offsets": [0, 4]}},
        {"a": 3},
        b"{",
        b"[" * 100_000,
        b'{"a": "\xff"}',
    ],
)
def test_what_is_not_whole_is_refused(path, header):
    with pytest.raises(CheckpointError, match="Received: path=.*weights.anything"):
        read_safetensors(written(path, header, bytes(8 if "C64" in str(header) else 4)))


def test_a_truncated_or_foreign_file_is_refused(path):
    content = save({"a": np.ones(3, "float32"), "b": np.ones((2, 2))})
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match="header|whole"):
            read_safetensors(path)
    path.write_bytes(struct.pack("<Q", 2**40) + b"{}")
    with pytest.raises(CheckpointError, match="no safetensors header of at most"):
        read_safetensors(path)
    with pytest.raises(CheckpointError, match="cannot be read.*missing"):
        read_safetensors(path.with_name("missing"))
