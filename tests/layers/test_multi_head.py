import keras
import numpy as np
import pytest

from keras_ssl.layers.multi_head import MultiHead

FEATURES = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")


def test_joins_heads_that_share_nothing():
    layer = MultiHead(3, (8, 2))
    layer.build((None, 4))
    outputs = keras.ops.convert_to_numpy(layer(FEATURES))
    assert outputs.shape == (5, 6) == layer.compute_output_shape((5, 4))
    for number, part in enumerate(layer.parts):
        own = keras.ops.convert_to_numpy(part(FEATURES))
        np.testing.assert_allclose(outputs[:, 2 * number : 2 * number + 2], own, atol=1e-6)
    assert len({id(w) for w in layer.trainable_weights}) == 3 * len(layer.parts[0].trainable_weights)


def test_one_head_is_that_head():
    layer = MultiHead(1, (8, 2), batch_norm=False)
    layer.build((None, 4))
    np.testing.assert_array_equal(layer(FEATURES), layer.parts[0](FEATURES))


def test_config_round_trip():
    layer = MultiHead(2, (8, 2), batch_norm=False, output_norm="scale", name="heads")
    assert MultiHead.from_config(layer.get_config()).get_config() == layer.get_config()


def test_errors():
    with pytest.raises(ValueError, match="`heads`.*Received: heads=0"):
        MultiHead(0, (8, 2))
    with pytest.raises(ValueError, match="Received: widths="):
        MultiHead(2, ())
