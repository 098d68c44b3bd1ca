"""Cross-attention: a slow reference, and that queries do not see one another."""

import keras
import numpy as np
import pytest

from keras_ssl.layers.cross_attention_block import CrossAttentionBlock
from tests.objectives.reference import draws


def numbers(x):
    return keras.ops.convert_to_numpy(x).astype("float64")


def made(heads=2, width=8, context=6):
    block = CrossAttentionBlock(heads, mlp_ratio=2.0)
    block.build((None, None, width), (None, None, context))
    for number, weight in enumerate(block.weights):
        weight.assign(0.5 * draws(*weight.shape, seed=number) + (1.0 if "gamma" in weight.path else 0.0))
    return block


def normed(row, layer):
    gamma, beta = (numbers(weight) for weight in layer.weights)
    return (row - row.mean()) / np.sqrt(row.var() + 1e-6) * gamma + beta


def dense(row, layer):
    kernel, bias = (numbers(weight) for weight in layer.weights)
    return row @ kernel + bias


def slow(block, x, context):
    """Query by query and head by head."""
    x, context = x.astype("float64"), context.astype("float64")
    found = np.zeros_like(x)
    depth = x.shape[-1] // block.heads
    for n in range(len(x)):
        pairs = [dense(row, block.key_value) for row in context[n]]
        for m, row in enumerate(x[n]):
            query, mixed = dense(normed(row, block.norm1), block.query), []
            for head in range(block.heads):
                part = slice(head * depth, (head + 1) * depth)
                logits = np.array([query[part] @ pair[: x.shape[-1]][part] for pair in pairs]) / np.sqrt(depth)
                shares = np.exp(logits) / np.exp(logits).sum()
                mixed.append(sum(s * pair[x.shape[-1] :][part] for s, pair in zip(shares, pairs, strict=True)))
            row = row + dense(np.concatenate(mixed), block.projection)
            hidden = dense(normed(row, block.norm2), block.mlp1)
            hidden = numbers(keras.activations.gelu(keras.ops.convert_to_tensor(hidden, "float32"), approximate=False))
            found[n, m] = row + dense(hidden, block.mlp2)
    return found


def test_equals_the_reference():
    block, x, context = made(), draws(2, 3, 8), draws(2, 5, 6, seed=1)
    np.testing.assert_allclose(numbers(block(x, context)), slow(block, x, context), rtol=1e-3, atol=1e-4)


def test_a_query_does_not_see_the_others_and_the_order_of_the_context_does_not_count():
    block, x, context = made(), draws(2, 3, 8), draws(2, 5, 6, seed=1)
    whole = numbers(block(x, context))
    np.testing.assert_allclose(numbers(block(x[:, :1], context)), whole[:, :1], atol=1e-5)
    np.testing.assert_allclose(numbers(block(x, context[:, ::-1].copy())), whole, atol=1e-4)
    assert np.abs(numbers(block(x, 2 * context)) - whole).max() > 1e-3


def test_config_comes_back():
    block = CrossAttentionBlock(3, mlp_ratio=2.0, name="a")
    assert CrossAttentionBlock.from_config(block.get_config()).get_config() == block.get_config()


@pytest.mark.parametrize(("options", "message"), [({"heads": 0}, "heads=0"), ({"heads": 2, "mlp_ratio": 0}, "ratio=0")])
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        CrossAttentionBlock(**options)


def test_refuses_heads_that_do_not_divide_the_width():
    with pytest.raises(ValueError, match="must divide the width, 8. Received: heads=3"):
        made(heads=3)
