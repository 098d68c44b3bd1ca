import json
import math
import random

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import views
from keras_ssl.encoders.vit import ViT
from keras_ssl.random import Stream, draw_from
from keras_ssl.testing import check_encoder, check_objective
from tests.encoders.parity_dino import CASES, GOLDEN, SIZES, draw, images
from tests.encoders.test_token_sequence import interpolated
from tests.encoders.unallocated import trainable_parameters

TINY = {"patch_size": 4, "width": 12, "depth": 2, "heads": 3, "image_size": 16}
tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="takes long to compile on JAX, where other tests see the same"
)
DINOV2 = TINY | {"mlp": "swiglu", "registers": 2, "layer_scale": 1.0}


def draw_weights(model):
    """Weights far from their initial values, where scales are 1 and shifts 0."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        center = 1.0 if weight.path.endswith("gamma") else 0.0
        weight.assign(rng.normal(center, 0.3, weight.shape))
    return {weight.path: keras.ops.convert_to_numpy(weight).astype("float64") for weight in model.weights}


def features(model, x, training=False):
    """A call; compiled on JAX, which else compiles every operation for itself."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.jit(lambda images: model(images, training=training))(x))
    return keras.ops.convert_to_numpy(model(x, training=training))


def layer_norm(x, weights, name):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def dense(x, weights, name):
    return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]


def softmax(x):
    x = np.exp(x - x.max(-1, keepdims=True))
    return x / x.sum(-1, keepdims=True)


def gelu(x):
    return x * 0.5 * (1.0 + np.vectorize(math.erf)(x / math.sqrt(2.0)))


def reference(image, weights, heads, depth, grid, swiglu):
    """All tokens of one image, in NumPy."""
    kernel = weights["patch_embedding/kernel"]
    patch, width = kernel.shape[0], kernel.shape[-1]
    rows, columns = image.shape[0] // patch, image.shape[1] // patch
    table = weights["tokens/position"]
    own = len(table) - grid**2  # 1 where there is a class token
    position = table[own:].reshape(grid, grid, width)
    if (rows, columns) != (grid, grid):
        position = interpolated(position, rows, columns, 0.1, False)
    tokens = [weights["tokens/class_token"][0] + table[0]] if own else []
    tokens += [*weights.get("tokens/registers", [])]
    for r in range(rows):
        for c in range(columns):
            cut = image[r * patch : (r + 1) * patch, c * patch : (c + 1) * patch]
            tokens.append(np.tensordot(cut, kernel, 3) + weights["patch_embedding/bias"] + position[r, c])
    x = np.stack(tokens)
    for number in range(1, depth + 1):
        block = f"block{number}"
        q, k, v = np.split(dense(layer_norm(x, weights, f"{block}_norm1"), weights, f"{block}_qkv"), 3, axis=-1)
        parts = [np.split(part, heads, axis=-1) for part in (q, k, v)]
        mixed = [softmax(a @ b.T / np.sqrt(width / heads)) @ c for a, b, c in zip(*parts, strict=True)]
        y = dense(np.concatenate(mixed, -1), weights, f"{block}_projection")
        x = x + y * weights.get(f"{block}_scale1/gamma", 1.0)
        y = dense(layer_norm(x, weights, f"{block}_norm2"), weights, f"{block}_mlp1")
        if swiglu:
            a, b = np.split(y, 2, axis=-1)
            y = a / (1.0 + np.exp(-a)) * b
        else:
            y = gelu(y)
        x = x + dense(y, weights, f"{block}_mlp2") * weights.get(f"{block}_scale2/gamma", 1.0)
    return layer_norm(x, weights, "norm")


@tensorflow_only
@pytest.mark.parametrize("arguments", [TINY, DINOV2], ids=["dino", "dinov2"])
def test_tokens_equal_numpy_at_any_size(arguments):
    model = ViT(**arguments, pooling=None)
    weights = draw_weights(model)
    for size in ((16, 16), (14, 25)):
        x = np.random.default_rng(1).normal(size=(2, *size, 3)).astype("float32")
        expected = [reference(image, weights, 3, 2, 4, arguments.get("mlp") == "swiglu") for image in x.astype(float)]
        actual = features(model, x)
        np.testing.assert_allclose(actual, np.stack(expected), atol=1e-4)


def torch_key(path):
    """The authors' name of the weight that has this path."""
    layer, variable = path.split("/")
    if layer == "tokens":
        return {"class_token": "cls_token", "registers": "register_tokens", "position": "pos_embed"}[variable]
    leaf = {"kernel": "weight", "gamma": "weight", "beta": "bias"}.get(variable, variable)
    if layer in ("patch_embedding", "norm"):
        return f"{layer.replace('embedding', 'embed.proj')}.{leaf}"
    block, part = layer.removeprefix("block").split("_")
    if part.startswith("scale"):
        return f"blocks.{int(block) - 1}.ls{part[-1]}.gamma"
    owner = {"qkv": "attn.qkv", "projection": "attn.proj"}.get(part, part)
    return f"blocks.{int(block) - 1}.{owner}.{leaf}"


@pytest.mark.parametrize("case", CASES)
def test_features_equal_those_of_the_authors_code(case):
    arguments = CASES[case][1]
    model = ViT(**arguments)
    mlp = {"gelu": ("fc1", "fc2"), "swiglu": ("w12", "w3")}[arguments.get("mlp", "gelu")]
    for weight in model.weights:
        key = torch_key(weight.path).replace(".mlp1.", f".mlp.{mlp[0]}.").replace(".mlp2.", f".mlp.{mlp[1]}.")
        shape = tuple(weight.shape)
        if weight.path.startswith("tokens"):
            weight.assign(draw(key, (1, *shape))[0])
        elif len(shape) == 4:
            weight.assign(draw(key, (shape[3], shape[2], *shape[:2])).transpose(2, 3, 1, 0))
        else:
            weight.assign(draw(key, shape[::-1]).T)
    golden = np.load(GOLDEN)
    for size in SIZES if keras.backend.backend() == "tensorflow" else SIZES[1:2]:
        actual = features(model, images(size))
        np.testing.assert_allclose(actual, golden[f"{case}_{size[0]}x{size[1]}"], atol=2e-5)


@tensorflow_only
def test_poolings():
    x = np.random.default_rng(1).normal(size=(2, 16, 16, 3)).astype("float32")
    made = {kind: ViT(**DINOV2, pooling=kind) for kind in (None, "class", "mean", "class_mean")}
    for model in made.values():
        model.set_weights(made[None].get_weights())
    out = {kind: features(model, x) for kind, model in made.items()}
    assert out[None].shape == (2, 1 + 2 + 16, 12)
    np.testing.assert_allclose(out["class"], out[None][:, 0], atol=1e-6)
    np.testing.assert_allclose(out["mean"], out[None][:, 3:].mean(1), atol=1e-6)
    np.testing.assert_allclose(out["class_mean"], np.concatenate([out["class"], out["mean"]], 1), atol=1e-6)
    assert {kind: model.output_shape for kind, model in made.items()} == {
        None: (None, None, 12),
        "class": (None, 12),
        "mean": (None, 12),
        "class_mean": (None, 24),
    }
    assert ViT(**DINOV2, input_shape=(20, 12, 5), pooling=None).output_shape == (None, 1 + 2 + 15, 12)


@tensorflow_only
@pytest.mark.parametrize("registers", [0, 2])
def test_without_a_class_token_the_patches_come_out_as_numpy_has_them(registers):
    arguments = TINY | {"registers": registers, "class_token": False}
    model, mean = ViT(**arguments, pooling=None), ViT(**arguments, pooling="mean")
    weights = draw_weights(model)
    mean.set_weights(model.get_weights())
    assert "tokens/class_token" not in weights and weights["tokens/position"].shape == (16, 12)
    for size in ((16, 16), (14, 25)):
        x = np.random.default_rng(1).normal(size=(2, *size, 3)).astype("float32")
        expected = np.stack([reference(image, weights, 3, 2, 4, False) for image in x.astype(float)])
        np.testing.assert_allclose(features(model, x), expected, atol=1e-4)
        np.testing.assert_allclose(features(mean, x), expected[:, registers:].mean(1), atol=1e-4)


def test_sine_positions_do_not_train():
    model = ViT(**TINY, position="sincos")
    assert [w.path for w in model.non_trainable_weights] == ["tokens/position"]


def parameters(width, depth, patch, positions, hidden, gated=False, layer_scale=False, registers=0):
    """Counted by hand: what every matrix, bias and scale holds."""
    attention = 3 * width * width + 3 * width + width * width + width
    first = 2 * hidden if gated else hidden
    mlp = width * first + first + hidden * width + width
    block = 2 * 2 * width + attention + mlp + (2 * width if layer_scale else 0)
    return (3 * patch**2 + 1) * width + (1 + registers + 1 + positions) * width + depth * block + 2 * width


@pytest.mark.parametrize(
    "arguments, sizes, published",
    [
        # DINO's README gives 21M and 85M; these are its checkpoints' numbers of weights.
        ({"variant": "S"}, (384, 12, 16, 14**2, 1536), 21_665_664),
        ({"variant": "B"}, (768, 12, 16, 14**2, 3072), 85_798_656),
        # DINOv2's model card: 21M, 300M and 1,100M; timm counts 22.06, 304.37 and 1136.48 million.
        ({"variant": "S", "patch_size": 14, "image_size": 518, "layer_scale": 1.0}, None, 22.06e6),
        ({"variant": "L", "patch_size": 14, "image_size": 518, "layer_scale": 1.0}, None, 304.37e6),
        (
            {"variant": "g", "patch_size": 14, "image_size": 518, "layer_scale": 1.0, "mlp": "swiglu"},
            (1536, 40, 14, 37**2, 4096, True, True),
            1136.48e6,
        ),
        # MAE's ViT-H/14, of 632M.
        ({"variant": "H", "patch_size": 14}, (1280, 32, 14, 16**2, 5120), 630.76e6),
    ],
)
@tensorflow_only
def test_parameter_counts_are_the_published_ones(arguments, sizes, published):
    count = trainable_parameters(ViT, **arguments)
    assert count == pytest.approx(published, abs=5e3 if isinstance(published, float) else 0)
    if sizes is not None:
        assert count == parameters(*sizes)


def test_explicit_sizes_take_the_variants_place():
    model = ViT("S", width=24, depth=1, patch_size=4, image_size=16, registers=1)
    assert model.get_layer("block1_attention").heads == 6
    assert model.count_params() == parameters(24, 1, 4, 16, 96, registers=1)
    assert ViT("Ti", depth=1, heads=6, patch_size=8).get_layer("block1_attention").heads == 6
    # 2/3 of 4 * 12 is 32; of 4 * 15 it is 40; of 3 * 12 it is 24; of 4 * 13, 34.7, so 40.
    for width, ratio, hidden in ((12, 4.0, 32), (15, 4.0, 40), (12, 3.0, 24), (13, 4.0, 40)):
        model = ViT(width=width, depth=1, heads=1, mlp="swiglu", mlp_ratio=ratio, image_size=16)
        assert model.get_layer("block1_mlp2").kernel.shape == (hidden, width)


def test_layer_names_are_a_public_format():
    names = [layer.name for layer in ViT(**DINOV2, drop_path=0.1).layers if layer.weights]
    block = ["norm1", "qkv", "projection", "scale1", "norm2", "mlp1", "mlp2", "scale2"]
    blocks = [f"block{number}_{part}" for number in (1, 2) for part in block]
    assert names == ["patch_embedding", "tokens", *blocks, "norm"]
    assert (
        keras_ssl.hub.named_weights(ViT(**TINY, drop_path=0.1)).keys()
        == keras_ssl.hub.named_weights(ViT(**TINY)).keys()
    )


def test_config_round_trip():
    model = ViT(
        "B", 4, 12, 2, 3, "swiglu", 3.0, 2, 0.1, 0.2, "sincos", 16, 0.0, True, (None, 16, 1), "mean", False, "mine"
    )
    config = json.loads(json.dumps(model.get_config()))
    assert list(config) == list(keras_ssl.hub.signatures.known_arguments(ViT))
    again = ViT.from_config(config)
    assert again.get_config() == model.get_config() and again.output_shape == (None, 12)
    assert ViT("g", width=12, depth=1, heads=1, patch_size=14).name == "vit_g14"


def test_initial_weights_do_not_depend_on_the_backend():
    model = ViT(width=64, depth=1, heads=1, patch_size=8)
    kernel = keras.ops.convert_to_numpy(model.get_layer("block1_mlp1").kernel)
    assert kernel.std() == pytest.approx(0.02, rel=0.05) and abs(kernel.mean()) < 1e-3
    seed = model.get_layer("block1_mlp1").kernel_initializer.seed
    expected = 0.02 * np.random.default_rng(seed).standard_normal((64, 256), "float32")
    np.testing.assert_allclose(kernel, expected, rtol=1e-5)


def test_drop_path_rises_with_depth():
    layers = {layer.name: layer for layer in ViT(**TINY | {"depth": 3}, drop_path=0.2).layers}
    rates = {name: layer.rate for name, layer in layers.items() if isinstance(layer, keras_ssl.layers.DropPath)}
    assert rates == {"block2_drop1": 0.1, "block2_drop2": 0.1, "block3_drop1": 0.2, "block3_drop2": 0.2}
    columns = [layers[name].column for name in rates]
    assert len(set(columns)) == 4 and max(columns) < layers["draws"].count


@tensorflow_only
def test_drop_path_acts_in_training_only():
    x = np.random.default_rng(1).normal(size=(8, 16, 16, 3)).astype("float32")
    plain, dropping = ViT(**TINY), ViT(**TINY, drop_path=0.9)
    draw_weights(plain)
    dropping.set_weights(plain.get_weights())
    expected = features(plain, x)
    np.testing.assert_allclose(features(dropping, x), expected, atol=1e-5)
    with draw_from(Stream(seed=0, step=0, positions=np.arange(8))):
        assert np.abs(features(dropping, x, training=True) - expected).max() > 0.1


@pytest.mark.slow
def test_conforms():
    check_encoder(ViT(**TINY | {"depth": 1}, input_shape=(8, 8, 3)), (8, 8, 3), stable_names=True)


@pytest.mark.slow
@tensorflow_only
def test_one_with_everything_conforms():
    check_encoder(ViT(**DINOV2, drop_path=0.1, pooling="class_mean"), (12, 16, 3), stable_names=True)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a SavedModel needs the TensorFlow backend")
def test_exported_and_loaded_it_sees_images_of_any_size(tmp_path):
    import tensorflow as tf

    encoder = ViT(**DINOV2, drop_path=0.9)
    draw_weights(encoder)
    keras_ssl.export(encoder, tmp_path / "vit", preprocessing=None)
    loaded = keras_ssl.load(tmp_path / "vit")
    graph = tf.saved_model.load(str(tmp_path / "vit"))
    for size in ((16, 16), (16, 24), (9, 12)):
        x = np.random.default_rng(1).normal(size=(2, *size, 3)).astype("float32")
        expected = features(encoder, x)
        np.testing.assert_allclose(features(loaded, x), expected, atol=1e-6)
        np.testing.assert_allclose(graph.serve(x).numpy(), expected, atol=1e-5)
        assert np.abs(graph.train(x).numpy() - expected).max() > 1e-3  # paths are dropped


def after_one_step(generator_state):
    """A small ViT after one step of SimCLR: the loss, and its weights before and after."""
    random.seed(0)
    encoder = ViT(**DINOV2, drop_path=0.5)
    encoder.get_layer("draws").seed_generator.state.assign([generator_state, 0])
    before = encoder.get_weights()
    flips = views.MultiView([views.RandomFlip(0.5)] * 2)
    model = keras_ssl.SimCLR(encoder, projector=(12, 8), views=flips)
    model.compile(keras.optimizers.SGD(0.1))
    x = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), "uint8")
    loss = model.fit(x, batch_size=8, verbose=0).history["loss"][0]
    return loss, dict(
        zip([weight.path for weight in encoder.weights], zip(before, encoder.get_weights(), strict=True), strict=True)
    )


@pytest.mark.slow
def test_learns_under_an_objective_which_says_what_paths_are_dropped():
    loss, weights = after_one_step(1)
    assert np.isfinite(loss)
    for path, (before, after) in weights.items():
        assert np.isfinite(after).all() and not np.array_equal(before, after), path
    if keras.backend.backend() == "tensorflow":  # on JAX this would take as long again to compile
        # The model's seed and step decide, and not a generator that no checkpoint holds.
        assert after_one_step(2)[0] == pytest.approx(loss, rel=1e-6)


@pytest.mark.long
@tensorflow_only
def test_dropped_paths_do_not_depend_on_devices_or_on_interruptions():
    def make():
        encoder = ViT(**DINOV2, drop_path=0.5)
        # At first all features are nearly the same, and the projector's batch norm would magnify rounding.
        draw_weights(encoder)
        flips = views.MultiView([views.RandomFlip(0.5)] * 2)
        return keras_ssl.SimCLR(encoder, projector=(12, 8), views=flips)

    check_objective(make, checks=("resume", "replicas"), replicas=(2,), backends=("tensorflow",))


@pytest.mark.parametrize(
    "bad",
    [
        {"variant": "XL"},
        {"patch_size": 0},
        {"width": 0},
        {"depth": 1.5},
        {"heads": 5},
        {"mlp": "relu"},
        {"mlp_ratio": 0},
        {"registers": -1},
        {"layer_scale": -1.0},
        {"drop_path": 1.0},
        {"position": "none"},
        {"image_size": 18},
        {"interpolate_offset": -0.1},
        {"input_shape": (16, 16)},
        {"input_shape": (16, 3, 3)},
        {"pooling": "avg"},
        {"class_token": False},
    ],
)
def test_rejects_unknown_values(bad):
    name, value = next(iter(bad.items()))
    with pytest.raises(ValueError) as error:
        ViT(**(TINY | bad))
    assert str(error.value).endswith((f"{name}={value}", f"{name}={value!r}"))
