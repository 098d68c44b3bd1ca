import numpy as np
import pytest
from safetensors.numpy import load_file

from keras_ssl.checkpoints.write_safetensors import write_safetensors

KINDS = "bool float16 float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()


def test_the_library_reads_what_is_written(tmp_path):
    rng = np.random.RandomState(0)
    tensors = {f"a/{kind}": rng.randint(0, 2, (3, 5)).astype(kind) for kind in KINDS}
    tensors |= {"scalar": np.float32(2.5).reshape(()), "empty": np.zeros((0, 4), "int32")}
    tensors |= {"turned": rng.rand(4, 3).astype("float32").T, "big": rng.rand(2).astype(">f4")}
    write_safetensors(tensors, tmp_path / "a.safetensors")
    read = load_file(tmp_path / "a.safetensors")
    assert read.keys() == tensors.keys()
    for name, array in tensors.items():
        assert read[name].dtype == array.dtype.newbyteorder("=") and read[name].shape == array.shape
        np.testing.assert_array_equal(read[name], array)


def test_other_numbers_are_refused(tmp_path):
    with pytest.raises(ValueError, match="Received: z of dtype complex64"):
        write_safetensors({"z": np.zeros(2, "complex64")}, tmp_path / "a.safetensors")
    assert not (tmp_path / "a.safetensors").exists()


def test_errors_of_the_system_come_through(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_safetensors({"a": np.zeros(2)}, tmp_path / "none" / "a.safetensors")
    with pytest.raises(OSError, match="No space left"):
        write_safetensors({"a": np.zeros(100000)}, "/dev/full")
