import keras
import numpy as np
import pytest

from keras_ssl.callbacks import AttentionLogitMonitor
from keras_ssl.layers import SelfAttention


def network(heads=2):
    inputs = keras.Input((5, 4))
    x = keras.layers.Dense(12, name="first")(inputs)
    x = SelfAttention(heads, name="one")(x)
    x = keras.layers.Dense(12, name="second")(x)
    x = SelfAttention(1, name="two")(x)
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.GlobalAveragePooling1D()(x)))


def test_the_largest_logit_of_all_layers():
    model, x = network(), np.random.default_rng(0).normal(size=(6, 5, 4)).astype("float32")
    model.get_layer("second").kernel.assign(30 * model.get_layer("second").kernel)
    model.compile(keras.optimizers.SGD(0.01), "mse")
    logs = model.fit(x, np.zeros((6, 1)), verbose=0, callbacks=[AttentionLogitMonitor(x)]).history
    qkv = keras.ops.convert_to_numpy(model.get_layer("first")(x)).astype("float64")
    expected = 0.0
    for head in range(2):
        q, k = qkv[..., 2 * head : 2 * head + 2], qkv[..., 4 + 2 * head : 6 + 2 * head]
        expected = max(expected, np.abs(q @ k.transpose(0, 2, 1)).max() / np.sqrt(2))
    mixed = keras.ops.convert_to_numpy(model.get_layer("second")(model.get_layer("one")(model.get_layer("first")(x))))
    q, k = mixed[..., :4], mixed[..., 4:8]
    expected = max(expected, np.abs(q @ k.transpose(0, 2, 1)).max() / 2.0)
    np.testing.assert_allclose(logs["max_attention_logit"][-1], expected, rtol=1e-4)


def test_rejects_a_network_without_attention():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="`network` must be .*Received: network="):
        model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0, callbacks=[AttentionLogitMonitor(np.ones((4, 3)))])
