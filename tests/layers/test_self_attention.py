import keras
import numpy as np
import pytest

from keras_ssl.layers import SelfAttention


def reference(qkv, heads):
    """Token by token and head by head."""
    n, tokens, width = qkv.shape
    dim = width // 3
    depth = dim // heads
    out = np.zeros((n, tokens, dim))
    for sample in range(n):
        for head in range(heads):
            part = slice(head * depth, (head + 1) * depth)
            q, k, v = (qkv[sample, :, i * dim : (i + 1) * dim][:, part] for i in range(3))
            for token in range(tokens):
                logits = k @ q[token] / np.sqrt(depth)
                weights = np.exp(logits - logits.max())
                out[sample, token, part] = weights @ v / weights.sum()
    return out


@pytest.mark.parametrize("heads", [1, 3])
def test_equals_numpy(heads):
    qkv = np.random.default_rng(0).normal(size=(2, 5, 18)).astype("float32")
    actual = keras.ops.convert_to_numpy(SelfAttention(heads)(qkv))
    np.testing.assert_allclose(actual, reference(qkv.astype("float64"), heads), atol=1e-5)


@pytest.mark.parametrize("fused", [False, True])
def test_causal_attention_of_a_token_is_that_of_the_sequence_up_to_it(fused, monkeypatch):
    monkeypatch.setattr("keras_ssl.layers.self_attention._fuses_even_lengths", lambda dtype: fused)
    qkv = np.random.default_rng(0).normal(size=(2, 5, 18)).astype("float32")
    layer = SelfAttention(3, causal=True)
    actual = keras.ops.convert_to_numpy(layer(qkv))
    for token in range(5):
        wanted = reference(qkv[:, : token + 1].astype("float64"), 3)[:, -1]
        np.testing.assert_allclose(actual[:, token], wanted, atol=1e-5)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(SelfAttention(3)(qkv, causal=True)), actual, atol=1e-6)
    whole = reference(qkv.astype("float64"), 3)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(qkv, causal=False)), whole, atol=1e-5)
    assert layer(keras.Input((None, 18))).shape == (None, None, 6)
    assert SelfAttention.from_config(layer.get_config()).causal
    assert "causal" not in SelfAttention(3).get_config()


def test_softmax_is_in_float32_and_large_products_do_not_overflow():
    qkv = np.random.default_rng(0).normal(size=(1, 7, 48)).astype("float16")
    qkv[..., :32] *= 100.0  # products of queries and keys beyond float16's 65504
    layer = SelfAttention(1, dtype="float16")
    actual = keras.ops.convert_to_numpy(keras.ops.cast(layer(qkv), "float32"))
    assert np.abs(qkv[0, :, :16].astype("float32") @ qkv[0, :, 16:32].astype("float32").T).max() > 65504
    np.testing.assert_allclose(actual, reference(qkv.astype("float64"), 1), atol=5e-3)


def test_shapes_and_config():
    layer = SelfAttention(4)
    assert layer(keras.Input((None, 24))).shape == (None, None, 8)
    assert SelfAttention.from_config(layer.get_config()).heads == 4


def test_errors():
    with pytest.raises(ValueError, match=r"^`heads` .* Received: heads=0$"):
        SelfAttention(0)
    with pytest.raises(ValueError, match=r"multiple of 12 channels. Received: input_shape=\(1, 5, 18\)"):
        SelfAttention(4)(np.zeros((1, 5, 18), "float32"))


def test_the_token_that_makes_a_length_even_is_not_seen(monkeypatch):
    qkv = np.random.default_rng(0).normal(size=(2, 5, 24)).astype("float32")
    layer = SelfAttention(heads=2)
    expected = keras.ops.convert_to_numpy(layer(qkv))
    monkeypatch.setattr("keras_ssl.layers.self_attention._fuses_even_lengths", lambda dtype: True)
    lengths = []
    attention = keras.ops.dot_product_attention
    monkeypatch.setattr(
        keras.ops,
        "dot_product_attention",
        lambda q, *rest, **kw: (lengths.append(q.shape[1]), attention(q, *rest, **kw))[1],
    )
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer(qkv)), expected, atol=1e-6)
    assert lengths == [6]


def test_float16_compiles():
    """JAX has no compiled attention of float16 on a processor: it is computed in float32 there."""
    layer = SelfAttention(2, dtype="float16")
    qkv = np.random.default_rng(0).standard_normal((2, 5, 24)).astype("float16")
    if keras.backend.backend() == "jax":
        import jax

        run = jax.jit(lambda x: layer(x))
    else:
        run = layer
    result = run(keras.ops.convert_to_tensor(qkv))
    assert keras.backend.standardize_dtype(result.dtype) == "float16"
    expected = SelfAttention(2)(qkv.astype("float32"))
    got, expected = (keras.ops.convert_to_numpy(array).astype("float32") for array in (result, expected))
    np.testing.assert_allclose(got, expected, atol=5e-3)
