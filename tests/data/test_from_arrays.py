import subprocess
import sys

import numpy as np
import pytest

from keras_ssl.data import from_arrays
from keras_ssl.random import permutation


def images(count=10, dtype="uint8"):
    return np.arange(count * 12, dtype=dtype).reshape(count, 2, 2, 3)


def test_batches_hold_what_was_given():
    x, y, group = images(), np.arange(10) % 3, np.arange(10) // 2
    data = from_arrays(x, y, group=group, batch_size=4, seed=5)
    batch, rows = data[1], permutation(10, 5, 0)[4:8]
    assert sorted(batch) == ["group", "index", "x", "y"]
    np.testing.assert_array_equal(batch["x"], x[rows])
    np.testing.assert_array_equal(batch["y"], y[rows])
    np.testing.assert_array_equal(batch["group"], group[rows])
    np.testing.assert_array_equal(batch["index"], rows)
    assert batch["x"].dtype == np.uint8
    assert batch["y"].dtype == batch["index"].dtype == batch["group"].dtype == np.int32


def test_what_is_missing_stays_absent():
    assert sorted(from_arrays(images(), batch_size=4)[0]) == ["index", "x"]


def test_ready_made_views_stay_a_tuple():
    first, second = images(), images()[:, ::-1]
    batch = from_arrays((first, second), batch_size=4)[0]
    assert isinstance(batch["x"], tuple)
    np.testing.assert_array_equal(batch["x"][0], first[batch["index"]])
    np.testing.assert_array_equal(batch["x"][1], second[batch["index"]])


def test_own_numbers_and_types():
    data = from_arrays(images(dtype="float64") / 255, y=np.linspace(0, 1, 10), index=np.arange(100, 110), batch_size=4)
    batch = data[0]
    assert batch["x"].dtype == batch["y"].dtype == np.float32
    np.testing.assert_array_equal(np.sort(batch["index"]), np.sort(permutation(10, 0, 0)[:4] + 100))
    assert from_arrays(images(dtype="float16") / 255, batch_size=4)[0]["x"].dtype == np.float16


def test_unlabeled_samples_keep_their_mark():
    batch = from_arrays(images(), y=[-1] * 10, batch_size=4)[0]
    np.testing.assert_array_equal(batch["y"], [-1] * 4)


def test_memory_mapped_file(tmp_path):
    np.save(tmp_path / "x.npy", images())
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    data = from_arrays(mapped, batch_size=4)
    np.testing.assert_array_equal(data[0]["x"], images()[data[0]["index"]])


def test_not_a_number_is_named_wherever_it_is(monkeypatch):
    x = images(dtype="float32")
    x[7, 1, 0, 2] = np.nan
    for block in (2**24, 24):  # in one block, and in blocks of two samples
        monkeypatch.setattr(sys.modules[from_arrays.__module__], "_BLOCK", block)
        with pytest.raises(ValueError, match=r"`x` must be finite. Received: x with NaN .* sample 7"):
            from_arrays(x, batch_size=4)
    with pytest.raises(ValueError, match=r"Received: x\[1\] with NaN"):
        from_arrays((images(), x), batch_size=4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"x": images(), "y": np.zeros(9, int)},
            r"same number of samples. Received: len\(x\)=10, len\(y\)=9",
        ),
        ({"x": (images(), images(9))}, r"Received: len\(x\[0\]\)=10, len\(x\[1\]\)=9"),
        ({"x": images(0)}, r"`x` must not be empty. Received: x.shape=\(0, 2, 2, 3\)"),
        ({"x": ()}, r"at least one array. Received: x=\(\)"),
        ({"x": np.zeros(10)}, r"`x` must have rank 2 or more.*Received: x.shape=\(10,\)"),
        ({"x": np.array([[None]] * 10)}, r"array of numbers. Received: x.dtype=object"),
        ({"x": np.array([["a"]] * 10)}, r"array of numbers. Received: x.dtype=<U1"),
        ({"x": images(), "y": np.zeros((10, 1, 1), int)}, r"`y` must have rank 1. Received: y.shape=\(10, 1, 1\)"),
        ({"x": images(), "y": np.full(10, np.nan)}, r"`y` must be finite"),
        ({"x": images(), "y": ["a"] * 10}, r"Received: y.dtype=<U1"),
        (
            {"x": images(), "group": np.zeros(10)},
            r"`group` must hold integers. Received: group.dtype=float64",
        ),
        ({"x": images(), "index": np.arange(10) + 2**31}, r"`index` must fit 32-bit integers"),
        ({"x": images(), "batch_size": 11}, r"Received: batch_size=11"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        from_arrays(**{"batch_size": 4} | arguments)


@pytest.mark.slow
def test_no_tensorflow_under_jax():
    """Everything here but image folders works where TensorFlow is not installed."""
    program = """
import os, sys
os.environ["KERAS_BACKEND"] = "jax"
sys.modules["tensorflow"] = None  # importing it raises ImportError
import numpy as np
import keras
import keras_ssl.callbacks, keras_ssl.data, keras_ssl.evaluation
images, labels = keras_ssl.data.colored_digits("test", count=64)
model = keras.Sequential([keras.layers.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])
keras_ssl.evaluation.extract_features(model, images)
next(iter(keras_ssl.data.from_arrays(images, labels, batch_size=32)))
try:
    keras_ssl.data.from_folder("anywhere", size=8)
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "pip install tensorflow" in done.stdout and "Received: backend='jax'" in done.stdout


def test_labels_in_a_column_and_one_hot():
    x = np.zeros((4, 2), "float32")
    np.testing.assert_array_equal(
        from_arrays(x, y=[[3], [5], [7], [-1]], batch_size=4, shuffle=False)[0]["y"], [3, 5, 7, -1]
    )
    with pytest.raises(ValueError, match=r"argmax\(axis=1\)`. Received: y.shape=\(4, 4\)"):
        from_arrays(x, y=np.eye(4), batch_size=4)


def test_fields_of_any_rank_come_with_their_rows():
    mask = np.arange(40.0).reshape(10, 2, 2)
    batch = from_arrays(np.zeros((10, 3)), batch_size=4, fields={"mask": mask, "count": np.arange(10)})[0]
    assert batch["mask"].dtype == np.float32 and batch["count"].dtype == np.int32
    np.testing.assert_array_equal(batch["mask"], mask[batch["index"]])
    for value, message in (
        (np.zeros(9), "same number of samples"),
        (np.full(10, np.nan), "finite"),
        (1.0, "each samp"),
    ):
        with pytest.raises(ValueError, match=message):
            from_arrays(np.zeros((10, 3)), batch_size=4, fields={"mask": value})
