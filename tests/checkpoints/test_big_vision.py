"""The names of big_vision: what comes out of a tower, stacked or numbered, and what is no tower."""

import keras
import numpy as np
import pytest

from keras_ssl.checkpoints import CheckpointError, from_big_vision
from keras_ssl.checkpoints.big_vision import is_big_vision

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="no backend has to do with it")
D, HEADS, DEPTH, HIDDEN = 6, 2, 3, 10
ATTENTION = {
    **{f"{part}/kernel": (D, HEADS, D // HEADS) for part in ("query", "key", "value")},
    **{f"{part}/bias": (HEADS, D // HEADS) for part in ("query", "key", "value")},
    "out/kernel": (HEADS, D // HEADS, D),
    "out/bias": (D,),
}
NETWORK = {
    "Dense_0/kernel": (D, HIDDEN),
    "Dense_0/bias": (HIDDEN,),
    "Dense_1/kernel": (HIDDEN, D),
    "Dense_1/bias": (D,),
}
PARTS = {f"MultiHeadDotProductAttention_0/{key}": shape for key, shape in ATTENTION.items()}
PARTS |= {f"MlpBlock_0/{key}": shape for key, shape in NETWORK.items()}
PARTS |= {"LayerNorm_0/scale": (D,), "LayerNorm_0/bias": (D,)}
BLOCK = PARTS | {"LayerNorm_1/scale": (D,), "LayerNorm_1/bias": (D,)}
OTHERS = {
    "embedding/kernel": (2, 2, 3, D),
    "embedding/bias": (D,),
    "pos_embedding": (1, 4, D),
    "Transformer/encoder_norm/scale": (D,),
    "Transformer/encoder_norm/bias": (D,),
    "MAPHead_0/probe": (1, 1, D),
}
OTHERS |= {f"MAPHead_0/{key}": shape for key, shape in PARTS.items()}


def tower(scanned=True):
    rng = np.random.default_rng(1)
    arrays = {key: rng.normal(size=shape).astype("float32") for key, shape in OTHERS.items()}
    for key, shape in BLOCK.items():
        stack = rng.normal(size=(DEPTH, *shape)).astype("float32")
        if scanned:
            arrays[f"Transformer/encoderblock/{key}"] = stack
        else:
            arrays |= {f"Transformer/encoderblock_{number}/{key}": stack[number] for number in range(DEPTH)}
    return arrays


def test_maps_are_the_same_maps():
    """By what they do to a vector, one head at a time."""
    arrays, x = tower(), np.random.default_rng(0).normal(size=D)
    made = from_big_vision(arrays)
    for number in range(DEPTH):
        where = "Transformer/encoderblock/MultiHeadDotProductAttention_0"
        qkv = (made[f"blocks.{number}.attn.qkv.weight"] @ x + made[f"blocks.{number}.attn.qkv.bias"]).reshape(
            3, HEADS, -1
        )
        for place, part in enumerate(("query", "key", "value")):
            expected = np.einsum("d,dhk->hk", x, arrays[f"{where}/{part}/kernel"][number])
            np.testing.assert_allclose(
                qkv[place], expected + arrays[f"{where}/{part}/bias"][number], rtol=1e-4, atol=1e-6
            )
        out = made[f"blocks.{number}.attn.proj.weight"] @ x
        expected = np.einsum("hk,hkd->d", x.reshape(HEADS, -1), arrays[f"{where}/out/kernel"][number])
        np.testing.assert_allclose(out, expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(
            made[f"blocks.{number}.mlp.fc1.weight"].T,
            arrays["Transformer/encoderblock/MlpBlock_0/Dense_0/kernel"][number],
        )
    query = np.einsum(
        "d,dhk->hk", arrays["MAPHead_0/probe"][0, 0], arrays["MAPHead_0/MultiHeadDotProductAttention_0/query/kernel"]
    )
    query = (query + arrays["MAPHead_0/MultiHeadDotProductAttention_0/query/bias"]).ravel()
    np.testing.assert_allclose(made["attn_pool.query"], query, rtol=1e-5, atol=1e-6)
    assert made["patch_embed.proj.weight"].shape == (D, 3, 2, 2) and made["attn_pool.query"].dtype == np.float32
    np.testing.assert_array_equal(made["patch_embed.proj.weight"][:, 1, 0, 1], arrays["embedding/kernel"][0, 1, 1])


def test_stacked_and_numbered_towers_alone_and_in_a_file_of_two_are_the_same():
    made = []
    for scanned in (True, False):
        arrays = tower(scanned)
        made.append(from_big_vision(arrays))
        both = {f"params/img/{key}": value for key, value in arrays.items()} | {"params/t": np.ones(1)}
        both |= {"params/txt/Encoder_0/encoder_norm/scale": np.ones(3), "params/b": np.ones(1)}
        assert is_big_vision(both) and is_big_vision(arrays)
        made.append(from_big_vision(both))
    for other in made[1:]:
        assert set(other) == set(made[0])
        for key, array in made[0].items():
            np.testing.assert_array_equal(other[key], array)


@pytest.mark.parametrize("tree", [{}, {"a": np.ones(2)}, {"img/Transformer/encoder_norm": np.ones(2)}, [1], None])
def test_what_is_none_is_not_taken_for_one(tree):
    assert not is_big_vision(tree)


def without(arrays, *keys):
    return {key: value for key, value in arrays.items() if key not in keys}


STACK = "Transformer/encoderblock/"
WRONG = {
    "missing": (lambda a: without(a, "embedding/kernel"), "missing: embedding/kernel"),
    "missing of a block": (lambda a: without(a, STACK + "LayerNorm_1/bias"), "missing: .*LayerNorm_1/bias"),
    "missing of the head": (lambda a: without(a, "MAPHead_0/LayerNorm_0/bias"), "missing: MAPHead_0"),
    "extra": (lambda a: a | {"head/kernel": np.ones((D, 3))}, "extra: head/kernel"),
    "extra of a block": (lambda a: a | {STACK + "gate": np.ones((DEPTH, D))}, "extra: .*gate"),
    "flat kernel": (lambda a: a | {"embedding/kernel": np.ones((D, 3))}, "of shape .*: embedding/kernel"),
    "another depth": (lambda a: a | {STACK + "LayerNorm_1/bias": np.ones((2, D))}, "for 3 blocks"),
    "another rank": (lambda a: a | {STACK + "MultiHeadDotProductAttention_0/query/bias": np.ones((3, D))}, "shape"),
}


@pytest.mark.parametrize("label", WRONG)
def test_what_is_wrong_is_named(label):
    change, message = WRONG[label]
    with pytest.raises(CheckpointError, match=message):
        from_big_vision(change(tower()))
