import keras
import numpy as np
import pytest

from keras_ssl.layers import SelfAttention
from keras_ssl.layers.transformer_block import TransformerBlock
from tests.layers.test_self_attention import reference

QKV = np.random.default_rng(0).normal(size=(2, 5, 24)).astype("float32")


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x)).astype("float64")


def normalized(qkv, heads, gains=(1.0, 1.0)):
    """Queries and keys of each head and token by themselves."""
    qkv, width = qkv.astype("float64").copy(), qkv.shape[-1] // 3
    depth = width // heads
    for kind in (0, 1):
        for head in range(heads):
            part = slice(kind * width + head * depth, kind * width + (head + 1) * depth)
            x = qkv[..., part]
            mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
            qkv[..., part] = gains[kind] * (x - mean) / np.sqrt(variance + 1e-6)
    return qkv


def test_equals_attention_of_normalized_queries_and_keys():
    layer = SelfAttention(2, qk_norm=True)
    layer.build(QKV.shape)
    assert [tuple(w.shape) for w in layer.weights] == [(4,), (4,)]
    gains = [np.float32([1, 2, 0.5, 1.5]), np.float32([0.3, 1, 1, 2])]
    layer.set_weights(gains)
    np.testing.assert_allclose(numbers(layer(QKV)), reference(normalized(QKV, 2, gains), 2), atol=1e-5)


def test_logits_are_those_of_the_softmax():
    logits = numbers(SelfAttention(2).logits(QKV))
    assert logits.shape == (2, 2, 5, 5)
    for head in range(2):
        q, k = (QKV[1, :, start + 4 * head : start + 4 * head + 4].astype("float64") for start in (0, 8))
        np.testing.assert_allclose(logits[1, head], q @ k.T / np.sqrt(4), atol=1e-5)


def test_logits_are_bounded_and_do_not_depend_on_the_scale_of_queries_or_keys():
    layer = SelfAttention(2, qk_norm=True)
    layer.build(QKV.shape)
    logits = numbers(layer.logits(100 * QKV))
    assert np.abs(logits).max() <= np.sqrt(4) + 1e-4
    assert np.abs(numbers(SelfAttention(2).logits(100 * QKV))).max() > 1000
    for columns in (slice(0, 8), slice(8, 16)):
        scaled = QKV.copy()
        scaled[..., columns] *= 50
        np.testing.assert_allclose(numbers(layer(scaled)), numbers(layer(QKV)), atol=1e-4)
    np.testing.assert_allclose(numbers(layer(np.zeros_like(QKV))), 0.0)


def test_off_is_the_layer_as_it_was():
    layer = SelfAttention(2)
    layer.build(QKV.shape)
    assert layer.weights == [] and "qk_norm" not in layer.get_config()
    parts = QKV.reshape(2, 5, 3, 2, 4)
    mixed = keras.ops.dot_product_attention(parts[:, :, 0] * 4**-0.5, parts[:, :, 1], parts[:, :, 2], scale=1.0)
    np.testing.assert_array_equal(numbers(layer(QKV)), numbers(keras.ops.reshape(mixed, (2, 5, 8))))


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_in_a_block_and_in_a_file(tmp_path, dtype):
    if dtype == "mixed_float16" and keras.backend.backend() == "jax":
        pytest.skip("JAX has no float16 attention on the CPU")
    model = keras.Sequential([keras.Input((5, 8)), TransformerBlock(2, qk_norm=True, dtype=dtype)])
    names = {w.path.split("/")[-2] for w in model.weights}
    assert {"query_norm", "key_norm"} <= names
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.layers[0].attention.qk_norm
    np.testing.assert_allclose(
        again.predict(QKV[..., :8], verbose=0), model.predict(QKV[..., :8], verbose=0), atol=1e-3
    )
    assert not TransformerBlock.from_config(TransformerBlock(2).get_config()).attention.qk_norm
    assert SelfAttention.from_config(SelfAttention(2, qk_norm=True).get_config()).qk_norm
