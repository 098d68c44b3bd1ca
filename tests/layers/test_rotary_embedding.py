import keras
import numpy as np
import pytest

from keras_ssl.layers import RotaryEmbedding, SelfAttention

RNG = np.random.default_rng(0)
QKV = RNG.normal(size=(2, 5, 3 * 16)).astype("float32")
PLACES = RNG.uniform(-1, 1, (5, 2)).astype("float32")


def logits(qkv, positions, convention="dinov3", **options):
    layer = RotaryEmbedding(2, convention, **options)
    return keras.ops.convert_to_numpy(SelfAttention(2).logits(layer([qkv, positions])))


def test_products_depend_on_the_difference_of_positions_alone():
    shifted = PLACES + np.array([0.3, -0.7], "float32")
    np.testing.assert_allclose(logits(QKV, shifted), logits(QKV, PLACES), atol=1e-4)
    assert np.abs(logits(QKV, 2 * PLACES) - logits(QKV, PLACES)).max() > 0.1
    # Row and column are told apart.
    assert np.abs(logits(QKV, PLACES[:, ::-1].copy()) - logits(QKV, PLACES)).max() > 0.1


def test_capi_turns_by_a_rotation_where_row_and_column_are_equal():
    line = np.repeat(np.linspace(0, 0.5, 5)[:, None], 2, 1).astype("float32")
    np.testing.assert_allclose(logits(QKV, line + 0.25, "capi"), logits(QKV, line, "capi"), atol=1e-4)
    assert np.abs(logits(QKV, PLACES + 0.25, "capi") - logits(QKV, PLACES, "capi")).max() > 0.1


@pytest.mark.parametrize("convention", ["dinov3", "capi"])
def test_at_the_origin_nothing_is_turned_and_values_never_are(convention):
    layer = RotaryEmbedding(2, convention)
    np.testing.assert_allclose(layer([QKV, np.zeros((5, 2), "float32")]), QKV, atol=1e-6)
    made = keras.ops.convert_to_numpy(layer([QKV, PLACES]))
    np.testing.assert_array_equal(made[..., 32:], QKV[..., 32:])
    assert np.abs(made[..., :32] - QKV[..., :32]).max() > 0.1
    if convention == "dinov3":  # lengths stay
        np.testing.assert_allclose((made**2).sum(-1), (QKV**2).sum(-1), rtol=1e-5)


def test_every_sample_may_have_its_own_positions():
    layer = RotaryEmbedding(2)
    both = np.stack([PLACES, PLACES[::-1]])
    made = keras.ops.convert_to_numpy(layer([QKV, both]))
    for number in range(2):
        one = keras.ops.convert_to_numpy(layer([QKV[number : number + 1], both[number]]))
        np.testing.assert_allclose(made[number], one[0], atol=1e-6)


def test_tables_are_those_of_the_publishers():
    layer = RotaryEmbedding(1, "dinov3")
    layer.build([(None, 5, 3 * 64), (5, 2)])
    periods = keras.ops.convert_to_numpy(layer.table)
    np.testing.assert_allclose(periods, [100 ** (k / 16) for k in range(16)], rtol=1e-6)
    layer = RotaryEmbedding(1, "capi")
    layer.build([(None, 5, 3 * 64), (5, 2)])
    table = keras.ops.convert_to_numpy(layer.table)
    turns = table / (2 * np.pi)
    assert not table[0, 32:].any() and not table[1, :32].any()
    np.testing.assert_allclose(turns[0, :16], turns[0, 16:32], rtol=1e-6)
    np.testing.assert_allclose(turns[1, 32:48], turns[0, :16], rtol=1e-6)
    assert turns[0, 0] == pytest.approx(7.0, rel=1e-6) and turns[0, 15] == pytest.approx(7e-4, rel=1e-5)
    assert not layer.trainable_weights


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_angles_are_not_rounded_under_half_precision(policy):
    """Of a position near the edge of a large image, half precision would miss the angle by several degrees."""
    places = np.array([[0.9961, 0.9941], [0.9980, 0.9971]], "float32")
    whole, half = RotaryEmbedding(1), RotaryEmbedding(1, dtype=policy)
    for layer in (whole, half):
        layer.build([(None, 2, 3 * 16), (2, 2)])
    np.testing.assert_allclose(half.angles(places), whole.angles(places), atol=1e-6)
    qkv = keras.ops.cast(QKV[:1, :2, :48], "float32")
    made = half([keras.ops.cast(qkv, half.compute_dtype), places])
    assert keras.backend.standardize_dtype(made.dtype) == half.compute_dtype
    np.testing.assert_allclose(keras.ops.cast(made, "float32"), whole([qkv, places]), atol=3e-2)


def test_config_and_bad_arguments():
    layer = RotaryEmbedding(2, "dinov3", 50.0, name="rope")
    again = RotaryEmbedding.from_config(layer.get_config())
    assert (again.heads, again.convention, again.base, again.name) == (2, "dinov3", 50.0, "rope")
    for arguments, message in (
        ({"heads": 0}, "`heads` must"),
        ({"heads": 2, "convention": "eva"}, "`convention` must be one of"),
        ({"heads": 2, "base": 0.0}, "`base` must"),
    ):
        with pytest.raises(ValueError, match=f"{message}.*Received: "):
            RotaryEmbedding(**arguments)
    for width, convention in ((3 * 12, "dinov3"), (50, "dinov3"), (3 * 8, "capi")):
        with pytest.raises(ValueError, match="must have a multiple of 4 channels.*Received: input_shape="):
            RotaryEmbedding(2, convention)([np.zeros((1, 5, width), "float32"), PLACES])
