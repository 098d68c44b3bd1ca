import json

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.encoders.feature_map import feature_grid, feature_map
from keras_ssl.encoders.layer_outputs import layer_outputs
from keras_ssl.encoders.masked_tokens import masked_tokens
from keras_ssl.encoders.multi_exit_encoder import MultiExitEncoder
from keras_ssl.encoders.rotary_vit import RotaryViT
from keras_ssl.evaluation.dense.patch_features import patch_features
from keras_ssl.testing import check_encoder
from keras_ssl.testing.tiny_model import cheap_views
from tests.encoders.test_vit import dense, draw_weights, features, gelu, softmax
from tests.encoders.unallocated import trainable_parameters

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="takes long to compile on JAX, where other tests see the same"
)
TINY = {"patch_size": 4, "width": 16, "depth": 2, "heads": 2, "layer_scale": 1.0}
GATED = TINY | {"mlp": "swiglu", "norm": "rms", "registers": 0}
CAPI = {"patch_size": 4, "width": 16, "depth": 2, "heads": 2, "registers": 8, "norm": "rms", "final_scale": False}
CAPI |= {"qkv_bias": False, "bias": False, "class_token": False, "rotary": "capi", "pooling": "mean"}


def places(rows, columns, model):
    """Positions of all tokens, one at a time."""
    if model.rotary == "dinov3":
        grid = [(2 * (r + 0.5) / rows - 1, 2 * (c + 0.5) / columns - 1) for r in range(rows) for c in range(columns)]
        return [(0.0, 0.0)] * model.prefix + grid
    side = model.registers // 4
    border = [(i / side, 0) for i in range(side)] + [(1, i / side) for i in range(side)]
    border += [(1 - i / side, 1) for i in range(side)] + [(0, 1 - i / side) for i in range(side)]
    return border + [(r / max(rows - 1, 1), c / max(columns - 1, 1)) for r in range(rows) for c in range(columns)]


def turned(vector, row, column, model, weights, block):
    """A head's query or key, channel by channel."""
    d = len(vector)
    out = np.empty(d)
    for j in range(d // 2):
        if model.rotary == "dinov3":
            period = weights["rope/periods"][j % (d // 4)]
            first = second = 2 * np.pi * (row if j < d // 4 else column) / period
        else:
            table = weights[f"{block}_rope/frequencies"]
            first = row * table[0, j] + column * table[1, j]
            second = row * table[0, j + d // 2] + column * table[1, j + d // 2]
        out[j] = vector[j] * np.cos(first) - vector[j + d // 2] * np.sin(first)
        out[j + d // 2] = vector[j + d // 2] * np.cos(second) + vector[j] * np.sin(second)
    return out


def norm(x, weights, name, kind):
    if kind == "layer":
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
        return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-5) * weights.get(f"{name}/gamma", 1.0)


def linear(x, weights, name):
    return dense(x, {f"{name}/bias": 0.0, **weights}, name)


def reference(image, model, weights):
    """All tokens of one image, in NumPy."""
    kernel, patch = weights["patch_embedding/kernel"], model.patch_size
    rows, columns = image.shape[0] // patch, image.shape[1] // patch
    tokens = [*weights.get("tokens/class_token", []), *weights.get("tokens/registers", [])]
    for r in range(rows):
        for c in range(columns):
            cut = image[r * patch : (r + 1) * patch, c * patch : (c + 1) * patch]
            tokens.append(np.tensordot(cut, kernel, 3) + weights["patch_embedding/bias"])
    x, where, heads = np.stack(tokens), places(rows, columns, model), model.sizes["heads"]
    for number in range(1, model.sizes["depth"] + 1):
        block = f"block{number}"
        q, k, v = np.split(linear(norm(x, weights, f"{block}_norm1", model.norm), weights, f"{block}_qkv"), 3, axis=-1)
        mixed = []
        for a, b, c in zip(*(np.split(part, heads, axis=-1) for part in (q, k, v)), strict=True):
            a, b = (
                np.stack([turned(row, *at, model, weights, block) for row, at in zip(part, where, strict=True)])
                for part in (a, b)
            )
            mixed.append(softmax(a @ b.T / np.sqrt(a.shape[1])) @ c)
        y = linear(np.concatenate(mixed, -1), weights, f"{block}_projection")
        x = x + y * weights.get(f"{block}_scale1/gamma", 1.0)
        y = linear(norm(x, weights, f"{block}_norm2", model.norm), weights, f"{block}_mlp1")
        if model.mlp == "swiglu":
            gate, value = np.split(y, 2, axis=-1)
            y = gate / (1.0 + np.exp(-gate)) * value
        else:
            y = gelu(y)
        x = x + linear(y, weights, f"{block}_mlp2") * weights.get(f"{block}_scale2/gamma", 1.0)
    return norm(x, weights, "norm", model.norm)


def drawn(arguments, **more):
    """A model with weights far from their initial values, but for the table of angles; and the weights."""
    model = RotaryViT(**arguments | more)
    tables = {w.path: keras.ops.convert_to_numpy(w) for w in model.non_trainable_weights}
    weights = draw_weights(model)
    for weight in model.non_trainable_weights:
        weight.assign(tables[weight.path])
        weights[weight.path] = tables[weight.path].astype("float64")
    return model, weights


@pytest.mark.parametrize(
    "arguments", [TINY, pytest.param(GATED, marks=tensorflow_only), CAPI], ids=["dinov3", "gated", "capi"]
)
def test_tokens_equal_numpy_at_any_size(arguments):
    model, weights = drawn(arguments, pooling=None)
    for size in ((16, 16), (9, 22)):
        x = np.random.default_rng(1).normal(size=(2, *size, 3)).astype("float32")
        expected = np.stack([reference(image, model, weights) for image in x.astype("float64")])
        np.testing.assert_allclose(features(model, x), expected, atol=1e-4)


@tensorflow_only
@pytest.mark.parametrize("arguments", [TINY, CAPI], ids=["dinov3", "capi"])
def test_the_model_is_its_tokens_encoded_and_pooled(arguments):
    model, _ = drawn(arguments)
    for size in ((16, 16), (8, 32), (12, 20)):
        x = np.random.default_rng(1).normal(size=(2, *size, 3)).astype("float32")
        tokens = model.tokens(x)
        grid = model.grid(x.shape)
        assert tokens.shape == (2, model.prefix + grid[0] * grid[1], 16) and model.token_width == 16
        np.testing.assert_allclose(model.pool(model.encode(tokens, grid=grid)), model(x), atol=1e-5)
    # Of 16 patches two grids were seen; of 15 one.
    np.testing.assert_allclose(model.pool(model.encode(tokens)), model(x), atol=1e-5)
    with pytest.raises(
        ValueError, match=r"`grid` must say how 16 patches lie, which were \[\(2, 8\), \(4, 4\)\] before"
    ):
        model.encode(model.tokens(np.zeros((1, 8, 32, 3), "float32")))
    with pytest.raises(ValueError, match="`grid` must hold 15 patches. Received: grid=.4, 4."):
        model.encode(tokens, grid=(4, 4))


@tensorflow_only
def test_without_a_known_grid_patches_lie_in_a_square():
    model, _ = drawn(TINY)
    other, _ = drawn(TINY)
    x = np.random.default_rng(1).normal(size=(1, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(other.encode(model.tokens(x)), model.encode(model.tokens(x)), atol=1e-5)
    with pytest.raises(ValueError, match="`grid` must say how 15 patches lie. Received: grid=None"):
        other.encode(np.zeros((1, 20, 16), "float32"))


@tensorflow_only
@pytest.mark.parametrize("arguments", [TINY, CAPI], ids=["dinov3", "capi"])
def test_kept_patches_stay_where_they_were(arguments):
    """All, in another order, come out as before; and one pass over some is that over them alone, at their places."""
    model, weights = drawn(arguments)
    x = np.random.default_rng(1).normal(size=(2, 8, 12, 3)).astype("float32")
    tokens = model.tokens(x)
    order = np.random.default_rng(2).permutation(6)[None].repeat(2, 0).astype("int32")
    whole, mixed = np.array(model.encode(tokens)), np.array(model.encode(tokens, order))
    np.testing.assert_allclose(mixed[:, model.prefix :], whole[:, model.prefix :][:, order[0]], atol=1e-5)
    np.testing.assert_allclose(mixed[:, : model.prefix], whole[:, : model.prefix], atol=1e-5)
    positions = model.get_layer("positions")
    keep = np.array([[0, 5], [3, 4]], "int32")
    found = np.array(positions.of_grid(2, 3, keep))
    every = np.array(places(2, 3, model))
    np.testing.assert_allclose(found[:, model.prefix :], every[model.prefix :][keep], atol=1e-6)
    if model.rotary == "capi":  # registers span what is visible
        low, high = every[model.prefix :][keep].min(1), every[model.prefix :][keep].max(1)
        expected = low[:, None] + every[: model.prefix] * (high - low)[:, None]
        np.testing.assert_allclose(found[:, : model.prefix], expected, atol=1e-6)
    else:
        assert not found[:, : model.prefix].any()


@tensorflow_only
def test_other_parts_of_the_library_take_it():
    model, _ = drawn(TINY)
    x = np.random.default_rng(1).normal(size=(2, 16, 24, 3)).astype("float32")
    found, pooled = feature_map(model, "it")(x)
    assert found.shape == (2, 24, 16) and feature_grid(model, x.shape, "it") == (4, 6)
    np.testing.assert_allclose(pooled, model(x), atol=1e-5)
    hidden = np.zeros((2, 24), "float32")
    np.testing.assert_allclose(
        model.encode(masked_tokens(model, x, hidden, np.ones(16, "float32"))), model.encode(model.tokens(x)), atol=1e-5
    )
    np.testing.assert_allclose(patch_features(model, x).reshape(2, 24, 16), found, atol=1e-5)
    (last,) = layer_outputs(model, ["block2_add2"])(x)
    np.testing.assert_allclose(model.get_layer("norm")(last)[:, 0], model(x), atol=1e-5)
    exits = MultiExitEncoder(model)
    np.testing.assert_allclose(exits(x)[-1], model(x), atol=1e-5)
    np.testing.assert_allclose(exits.truncated(1)(x), exits(x)[0], atol=1e-5)
    assert model.patches(x).shape == (2, 24, 48)


@tensorflow_only
def test_a_loaded_entry_of_open_size_gives_features_of_places(tmp_path):
    model, _ = drawn(TINY)
    keras_ssl.hub.export(model, tmp_path / "entry", preprocessing=keras_ssl.layers.ImagePreprocessing(0.0, 1.0))
    loaded = keras_ssl.load(tmp_path / "entry")
    assert loaded.input_shape == (None, None, None, 3)
    images = np.random.default_rng(1).integers(0, 256, (2, 16, 24, 3), "uint8")
    expected = patch_features(model, (images / 255.0).astype("float32"))
    np.testing.assert_allclose(patch_features(loaded, images), expected, atol=1e-4)


@pytest.mark.slow
@tensorflow_only
@pytest.mark.parametrize("method", ["MAE", "IBOT", "CAPI"])
def test_masked_objectives_train_it(method):
    kind = getattr(keras_ssl, method)
    model = kind(RotaryViT(**TINY), views=cheap_views(), seed=0, **kind.tiny)
    model.compile("adam")
    before = keras.ops.convert_to_numpy(model.encoder.get_layer("block1_qkv").kernel)
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), "uint8")
    history = model.fit(images, batch_size=4, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert np.abs(before - keras.ops.convert_to_numpy(model.encoder.get_layer("block1_qkv").kernel)).max() > 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [TINY | {"drop_path": 0.2}, CAPI], ids=["dinov3", "capi"])
def test_conforms(arguments):
    check_encoder(lambda: RotaryViT(**arguments), (8, 12, 3), stable_names=True)


@tensorflow_only
@pytest.mark.parametrize(
    "arguments, published",
    [
        # timm counts these for its DINOv3 networks, in which the keys have no bias.
        ({"variant": "S", "layer_scale": 1e-5}, 21_596_160 + 12 * 384),
        ({"variant": "S", "layer_scale": 1e-5, "mlp": "swiglu", "mlp_ratio": 6.0}, 28_692_480 + 12 * 384),
        ({"variant": "B", "layer_scale": 1e-5}, 85_659_648 + 12 * 768),
        # In millions: CAPI's page, and two projects that read LingBot-Vision's giant.
        (CAPI | {"variant": "L", "patch_size": 14, "width": None, "depth": None, "heads": None}, 302e6),
        ({"variant": "g", "layer_scale": 1e-5, "mlp": "swiglu", "qkv_bias": False}, 1134.5e6),
    ],
)
def test_parameter_counts_are_the_published_ones(arguments, published):
    count = trainable_parameters(RotaryViT, **arguments)
    assert count == pytest.approx(published, abs=7e5 if isinstance(published, float) else 0)


@tensorflow_only
def test_layer_names_are_a_public_format():
    names = [layer.name for layer in RotaryViT(**TINY, drop_path=0.1).layers if layer.weights]
    block = ["norm1", "qkv", "projection", "scale1", "norm2", "mlp1", "mlp2", "scale2"]
    first, *others = (f"block{number}_{part}" for number in (1, 2) for part in block)
    assert names == ["patch_embedding", "tokens", first, "block1_qkv", "rope", *others[1:], "norm"]
    assert "block2_rope" in {layer.name for layer in RotaryViT(**CAPI).layers}


def test_config_round_trip():
    model = RotaryViT(
        "B", 4, 16, 1, 2, "swiglu", 3.0, 8, 0.1, 0.2, "rms", 1e-6, False, False, False, False, "capi", 50.0, "mean",
        (None, 16, 1), 2, "mine",
    )  # fmt: skip
    config = json.loads(json.dumps(model.get_config()))
    assert list(config) == list(keras_ssl.hub.signatures.known_arguments(RotaryViT))
    again = RotaryViT.from_config(config)
    assert again.get_config() == model.get_config() and again.output_shape == (None, 16)
    assert RotaryViT("Ti", depth=1).name == "rotary_vit_ti16"


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"variant": "Q"}, "`variant` must be one of"),
        ({"heads": 5}, "`heads` must divide the width, 384, into multiples of 4"),
        ({"width": 36, "heads": 6}, "`heads` must divide the width, 36, into multiples of 4"),
        ({"patch_size": 0}, "`patch_size` must"),
        ({"registers": -1}, "`registers` must"),
        ({"mlp": "relu"}, "`mlp` must be one of"),
        ({"norm": "batch"}, "`norm` must be one of"),
        ({"norm_epsilon": 0.0}, "`norm_epsilon` must"),
        ({"mlp_ratio": -1.0}, "`mlp_ratio` must"),
        ({"layer_scale": 0.0}, "`layer_scale` must"),
        ({"drop_path": 1.0}, "`drop_path` must lie"),
        ({"rotary": "eva"}, "`rotary` must be one of"),
        ({"rotary": "capi", "registers": 4}, "`registers` and the class token must be a multiple of 4"),
        ({"rotary_base": 0.5}, "`rotary_base` must be at least 1"),
        ({"pooling": "attention"}, "`pooling` must be"),
        ({"class_token": False}, "`pooling` must be 'mean' or None where there is no class token"),
        ({"input_shape": (8, 32, 3)}, "`input_shape` must hold a patch of 16 pixels"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=f"{message}.*Received: "):
        RotaryViT(**{"depth": 1} | arguments)


def test_an_image_without_a_patch_is_refused():
    with pytest.raises(ValueError, match="at least one patch"):
        RotaryViT(**TINY).get_layer("tokens")(np.zeros((1, 0, 4, 16), "float32"))
