import keras
import pytest

from keras_ssl.optimizers import layer_wise_decay


def layers(count=4):
    made = [keras.layers.Dense(2, name=f"block_{place}") for place in range(count)]
    for layer in made:
        layer.build((None, 2))
    return made


def test_multipliers_are_powers_of_the_decay_from_the_output_on():
    rates = layer_wise_decay(layers(), 0.5)
    assert rates == {f"block_{i}/{kind}": 0.5 ** (3 - i) for i in range(4) for kind in ("kernel", "bias")}
    assert layer_wise_decay(layers())["block_0/kernel"] == pytest.approx(0.75**3)


def test_a_decay_of_one_treats_all_alike_and_a_single_block_has_one():
    assert set(layer_wise_decay(layers(), 1.0).values()) == {1.0}
    assert set(layer_wise_decay(layers(1), 0.1).values()) == {1.0}


def test_lists_models_and_variables_are_blocks():
    first, second, third, head = layers()
    model = keras.Sequential([keras.Input((2,)), second, third])
    rates = layer_wise_decay([[first.kernel, [first.bias]], model, head], 0.1)
    assert rates["block_0/bias"] == pytest.approx(0.01)
    assert rates["block_1/kernel"] == rates["block_2/bias"] == pytest.approx(0.1)
    assert rates["block_3/kernel"] == 1.0


def test_frozen_variables_are_left_out_and_shared_ones_belong_to_their_first_block():
    norm = keras.layers.BatchNormalization(name="norm")
    norm.build((None, 2))
    [dense] = layers(1)
    rates = layer_wise_decay([dense, norm, dense], 0.5)
    assert rates == {"block_0/kernel": 0.25, "block_0/bias": 0.25, "norm/gamma": 0.5, "norm/beta": 0.5}


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.1, float("nan"), True, "a"])
def test_rejects_decays_out_of_range(decay):
    with pytest.raises(ValueError, match="`decay`.*Received: decay="):
        layer_wise_decay(layers(), decay)


def test_rejects_blocks_that_are_none():
    for blocks in ([], [keras.layers.Dense(2)], ["encoder"]):
        with pytest.raises(ValueError, match="`blocks`.*Received: blocks="):
            layer_wise_decay(blocks)
    with pytest.raises(ValueError, match="`blocks`.*Received: blocks='block_0/kernel' twice"):
        layer_wise_decay([layers(1)[0], layers(1)[0]])
