import keras
import numpy as np
import pytest

from keras_ssl.layers import SelfAttention, SpaceToDepth, WindowAttention, WindowPadding

RNG = np.random.default_rng(0)


def numbers(x):
    return keras.ops.convert_to_numpy(keras.ops.cast(x, "float32"))


def test_one_window_without_bias_is_plain_attention():
    qkv = RNG.normal(size=(2, 3, 3, 24)).astype("float32")
    for shifted in (False, True):  # a side of one window is not shifted
        made = numbers(WindowAttention(2, 3, shifted)([qkv, qkv]))
        expected = numbers(SelfAttention(2)(qkv.reshape(2, 9, 24))).reshape(2, 3, 3, 8)
        np.testing.assert_allclose(made, expected, atol=1e-5)


def test_a_map_of_equal_windows_gives_equal_windows_unless_they_are_shifted():
    window = RNG.normal(size=(1, 4, 4, 12)).astype("float32")
    qkv = np.tile(window, (1, 2, 3, 1))
    plain, shifted = WindowAttention(1, 4), WindowAttention(1, 4, shifted=True)
    for layer in (plain, shifted):
        layer.build([qkv.shape, qkv.shape])
        layer.position_bias.assign(RNG.normal(size=(49, 1)))
    made = numbers(plain([qkv, qkv]))
    np.testing.assert_allclose(made, np.tile(made[:, :4, :4], (1, 2, 3, 1)), atol=1e-5)
    moved = numbers(shifted([qkv, qkv]))
    # Along a torus of equal windows all shifted ones are equal too; those at the border see less.
    np.testing.assert_allclose(moved[:, 2:6, 2:6], moved[:, 2:6, 6:10], atol=1e-5)
    assert np.abs(moved[:, :2] - moved[:, 4:6]).max() > 0.01


def test_a_bias_is_of_the_offset_from_one_place_to_another():
    """Equal queries and keys, and one offset whose bias is large: each place takes the value that lies there."""
    qkv = np.zeros((1, 4, 4, 3), "float32")
    qkv[..., 2] = np.arange(16.0).reshape(4, 4)
    layer = WindowAttention(1, 4)
    layer.build([qkv.shape, qkv.shape])
    table = np.zeros((7, 7, 1))
    table[1 + 3, 2 + 3] = 50.0  # one row further down and two columns further to the right than what is seen
    layer.position_bias.assign(table.reshape(49, 1))
    made = numbers(layer([qkv, qkv]))[0, :, :, 0]
    np.testing.assert_allclose(made[1:, 2:], np.arange(16.0).reshape(4, 4)[:-1, :-2], atol=1e-4)
    np.testing.assert_allclose(made[0], 7.5, atol=1e-4)  # nothing lies there: the mean of the window


def test_half_precision_config_and_what_is_refused():
    layer = WindowAttention(2, 2, True, initializer="ones", dtype="mixed_float16")
    qkv = RNG.normal(size=(1, 4, 2, 12)).astype("float32")
    assert layer([qkv, qkv]).dtype == layer.compute_dtype and np.isfinite(numbers(layer([qkv, qkv]))).all()
    assert (numbers(layer.position_bias) == 1).all()
    again = WindowAttention.from_config(layer.get_config())
    assert (again.heads, again.window, again.shifted) == (2, 2, True)
    again.build([qkv.shape, qkv.shape])
    assert (numbers(again.position_bias) == 1).all()
    assert layer.compute_output_shape(((None, 4, None, 12), (None, 3, None, 4))) == (None, 3, None, 4)
    for shape, message in (((1, 4, 4, 8), "a multiple of 6 channels"), ((1, 4, 3, 12), "sides must be multiples of 2")):
        with pytest.raises(ValueError, match=f"{message}. Received: input_shape="):
            WindowAttention(2, 2).build([shape, shape])
    with pytest.raises(ValueError, match="`window` must be a positive integer. Received: window=0"):
        WindowAttention(2, 0)


def test_padding_and_joining():
    x = RNG.normal(size=(2, 3, 4, 2)).astype("float32")
    padded = numbers(WindowPadding(3)(x))
    assert padded.shape == (2, 3, 6, 2) == WindowPadding(3).compute_output_shape(x.shape)
    np.testing.assert_array_equal(padded[:, :, :4], x)
    assert (padded[:, :, 4:] == 0).all()
    np.testing.assert_array_equal(WindowPadding(1)(x), x)
    joined = numbers(SpaceToDepth()(x))
    assert joined.shape == (2, 2, 2, 8) == SpaceToDepth().compute_output_shape(x.shape)
    np.testing.assert_array_equal(joined[1, 0, 1], np.concatenate([x[1, i, j] for j in (2, 3) for i in (0, 1)]))
    np.testing.assert_array_equal(joined[0, 1, 0, 4:6], x[0, 2, 1])
    assert (joined[:, 1, :, 2:4] == 0).all() and (joined[:, 1, :, 6:] == 0).all()
    assert WindowPadding.from_config(WindowPadding(5).get_config()).window == 5
