import gzip
import io
import pickle
import tarfile

import keras
import numpy as np
import pytest
from safetensors.numpy import save

from keras_ssl.checkpoints import CheckpointError, read_checkpoint
from tests.checkpoints import make_torch_files
from tests.checkpoints.torch_files import array_tensor, stream_file, zip_file

ARRAY = np.arange(6, dtype="float32").reshape(2, 3)


@pytest.mark.parametrize(
    "content",
    [
        zip_file({"a": array_tensor(ARRAY, "0")}, {"0": ARRAY.tobytes()}),
        stream_file({"a": array_tensor(ARRAY, "0")}, {"0": ARRAY.tobytes()}),
        save({"a": ARRAY}),
    ],
    ids=["zip", "stream", "safetensors"],
)
@pytest.mark.parametrize("name", ["weights.pth.tar", "weights.safetensors", "weights"])
def test_the_content_says_the_format(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    read = read_checkpoint(path)
    assert list(read) == ["a"]
    np.testing.assert_array_equal(read["a"], ARRAY)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="needs TensorFlow")
def test_tensorflow_variables(tmp_path):
    import tensorflow as tf

    prefix = tf.train.Checkpoint(a=tf.Variable(ARRAY)).write(str(tmp_path / "ckpt"))
    np.testing.assert_array_equal(read_checkpoint(prefix)["a"], ARRAY)


def tar():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("storages"))
    return stream.getvalue()


@pytest.mark.parametrize(
    "content, message",
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5.*load_weights"),
        (gzip.compress(b"weights"), "gzip"),
        (pickle.dumps({"a": 1}), "plain pickle.*state_dict"),
        (tar(), "tar archive"),
        (b"<!DOCTYPE html><html>404", "web page"),
        (b"", "not read, starting with b''"),
        (b"some text that is long enough", "starting with b'some tex'"),
        (b"PK\x03\x04", "archive has no end"),
    ],
    ids=["hdf5", "gzip", "pickle", "tar", "html", "empty", "text", "zip"],
)
def test_other_formats_are_refused_with_advice(tmp_path, content, message):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=f"(?s){message}.*Received: path=.*weights.pth"):
        read_checkpoint(path)


def test_what_is_not_there(tmp_path):
    with pytest.raises(CheckpointError, match="cannot be read.*Received: path=.*missing"):
        read_checkpoint(tmp_path / "missing.pth")
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_checkpoint(tmp_path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_checkpoint("x" * 10_000)


def test_every_file_that_pytorch_wrote():
    for path in make_torch_files.DATA.glob("*.pt"):
        assert isinstance(read_checkpoint(path), dict)
