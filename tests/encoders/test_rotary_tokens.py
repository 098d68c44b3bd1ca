import keras
import numpy as np
import pytest

from keras_ssl.encoders.rotary_tokens import RotaryPositions, RotaryTokens

PATCHES = np.random.default_rng(0).normal(size=(2, 2, 3, 8)).astype("float32")


def test_patches_follow_class_token_and_registers_row_by_row():
    layer = RotaryTokens(registers=2)
    made = keras.ops.convert_to_numpy(layer(PATCHES))
    np.testing.assert_array_equal(made[:, 3:], PATCHES.reshape(2, 6, 8))
    for sample in made:
        np.testing.assert_allclose(sample[0], keras.ops.convert_to_numpy(layer.class_token)[0])
        np.testing.assert_allclose(sample[1:3], keras.ops.convert_to_numpy(layer.registers))
    bare = RotaryTokens(class_token=False)
    np.testing.assert_array_equal(bare(PATCHES), PATCHES.reshape(2, 6, 8))
    assert not bare.weights and bare.grid_of(6) == (2, 3) and bare.grid_of(9) == (3, 3)
    again = RotaryTokens.from_config(layer.get_config())
    assert (again.registers_count, again.has_class_token) == (2, True)


def test_positions_of_both_conventions():
    centers = keras.ops.convert_to_numpy(RotaryPositions(1)(PATCHES))
    expected = [(0, 0), *((r, c) for r in (-0.5, 0.5) for c in (-2 / 3, 0, 2 / 3))]
    np.testing.assert_allclose(centers, expected, atol=1e-6)
    edges = keras.ops.convert_to_numpy(RotaryPositions(4, "capi")(PATCHES))
    expected = [(0, 0), (1, 0), (1, 1), (0, 1), *((r, c) for r in (0, 1) for c in (0, 0.5, 1))]
    np.testing.assert_allclose(edges, expected, atol=1e-6)
    layer = RotaryPositions(4, "capi", name="positions")
    assert RotaryPositions.from_config(layer.get_config()).get_config() == layer.get_config()
    assert np.isfinite(layer(PATCHES[:, :1, :1])).all()  # one patch alone


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: RotaryTokens(-1), "`registers` must"),
        (lambda: RotaryPositions(-1), "`prefix` must"),
        (lambda: RotaryPositions(1, "eva"), "`convention` must be one of"),
        (lambda: RotaryPositions(5, "capi"), "`prefix` must be a multiple of 4"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=f"{message}.*Received: "):
        make()
