import shutil
import sys

import keras
import numpy as np
import pytest

from keras_ssl.checkpoints import CheckpointError, read_tf_variables
from keras_ssl.checkpoints.read_tf_variables import checkpoint_prefix

needs_tensorflow = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="needs TensorFlow")
VALUES = {
    "a": np.arange(6, dtype="float32").reshape(2, 3),
    "half": np.ones(3, "float16"),
    "count": np.array(7, "int64"),
    "flag": np.array([True, False]),
}


@pytest.fixture
def prefix(tmp_path):
    import tensorflow as tf

    variables = {name: tf.Variable(value) for name, value in VALUES.items()}
    variables["brain"] = tf.Variable([1.5, -2.0], dtype=tf.bfloat16)
    variables["text"] = tf.Variable("no number")
    return tf.train.Checkpoint(**variables).write(str(tmp_path / "model"))


@needs_tensorflow
@pytest.mark.parametrize("suffix", ["", ".index"])
def test_variables_come_back_by_name(prefix, suffix):
    read = read_tf_variables(prefix + suffix)
    expected = VALUES | {"brain": np.array([1.5, -2.0], "float32")}
    assert list(read) == sorted(expected)
    for name, value in expected.items():
        assert read[name].dtype == value.dtype
        np.testing.assert_array_equal(read[name], value)


@needs_tensorflow
def test_the_variables_of_a_saved_model(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.weight = tf.Variable([1.0, 2.0])
    tf.saved_model.save(module, str(tmp_path / "saved"))
    np.testing.assert_array_equal(read_tf_variables(tmp_path / "saved")["weight"], [1.0, 2.0])


@needs_tensorflow
def test_a_folder_with_one_checkpoint(prefix, tmp_path):
    assert checkpoint_prefix(tmp_path) == prefix
    shutil.copy(f"{prefix}.index", tmp_path / "other.index")
    assert checkpoint_prefix(tmp_path) is None


@needs_tensorflow
def test_a_damaged_checkpoint_is_refused(prefix, tmp_path):
    data = tmp_path / "model.data-00000-of-00001"
    content = data.read_bytes()
    data.write_bytes(content[:20])
    with pytest.raises(CheckpointError, match="damaged.*Received: path=.*model"):
        read_tf_variables(prefix)
    data.write_bytes(b"")
    with pytest.raises(CheckpointError, match="ends at .* of its file's 0 bytes"):
        read_tf_variables(prefix)
    data.unlink()
    with pytest.raises(CheckpointError, match="Received: path=.*model"):
        read_tf_variables(prefix)
    index = tmp_path / "model.index"
    data.write_bytes(content)
    index.write_bytes(bytes(100) + index.read_bytes()[-8:])
    with pytest.raises(CheckpointError, match="index is not in the file.*Received: path=.*model"):
        read_tf_variables(prefix)


def test_no_checkpoint(tmp_path):
    (tmp_path / "text.index").write_text("no table")
    for path in (tmp_path, tmp_path / "text", tmp_path / "text.index", tmp_path / "missing"):
        with pytest.raises(CheckpointError, match="no TensorFlow checkpoint.*Received: path="):
            read_tf_variables(path)


def test_without_tensorflow_the_error_says_so(tmp_path, monkeypatch):
    (tmp_path / "model.index").write_bytes(bytes.fromhex("57fb808b247547db"))
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(CheckpointError, match="needs TensorFlow.*Received: path="):
        read_tf_variables(tmp_path / "model")
