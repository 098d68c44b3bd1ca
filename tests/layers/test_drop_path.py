import keras
import numpy as np
import pytest

from keras_ssl.layers import DropPath, EMATeacher, UniformDraws


def run(layer, *inputs, training=True):
    return keras.ops.convert_to_numpy(layer(list(inputs), training=training))


def test_drops_whole_samples_and_keeps_the_mean():
    rng = np.random.default_rng(0)
    branch = rng.normal(size=(4, 3, 2)).astype("float32")
    draws = np.array([[0.9, 0.1], [0.1, 0.25], [0.9, 0.2], [0.1, 0.9]], "float32")
    expected = branch / 0.75 * np.array([0, 1, 0, 1]).reshape(4, 1, 1)
    np.testing.assert_allclose(run(DropPath(0.25, column=1), branch, draws), expected, rtol=1e-6)
    np.testing.assert_array_equal(run(DropPath(0.25, column=1), branch, draws, training=False), branch)
    uniform = ((np.arange(1000) + 0.5) / 1000).reshape(-1, 1).astype("float32")
    assert run(DropPath(0.2), np.ones((1000, 1), "float32"), uniform).mean() == pytest.approx(1.0)


def test_half_precision_does_not_change_the_rate():
    layer = DropPath(0.1, dtype="mixed_bfloat16")
    draws = np.array([[0.09999], [0.10001]], "float32")  # one number in bfloat16
    output = layer([keras.ops.ones((2, 1), "bfloat16"), draws], training=True)
    assert keras.backend.standardize_dtype(output.dtype) == "bfloat16"
    assert (keras.ops.convert_to_numpy(keras.ops.cast(output, "float32")).ravel() > 0).tolist() == [False, True]


def test_a_teacher_drops_nothing():
    inputs = keras.Input((4,))
    kept = DropPath(0.9)([inputs, UniformDraws(1)(inputs)])
    teacher = EMATeacher([keras.Model(inputs, kept)])
    x = np.ones((16, 4), "float32")
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(teacher(x, training=True)), x)


def test_config_and_errors():
    again = DropPath.from_config(DropPath(0.25, column=3).get_config())
    assert again.rate == 0.25 and again.column == 3
    with pytest.raises(ValueError, match=r"^`rate` .* Received: rate=1.0$"):
        DropPath(1.0)
