import json

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.encoders.conv_next import ConvNeXt
from keras_ssl.encoders.feature_map import feature_grid, feature_map
from keras_ssl.testing import check_encoder
from tests.encoders.test_vit import dense, draw_weights, features, gelu
from tests.encoders.unallocated import trainable_parameters

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="takes long to compile on JAX, where other tests see the same"
)
TINY = {"width": 4, "depths": (1, 2, 1, 1), "patch_size": 2}


def norm(x, weights, name):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-6)
    return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def strided(x, weights, name):
    kernel = weights[f"{name}/kernel"]
    side = kernel.shape[0]
    rows, columns = x.shape[0] // side, x.shape[1] // side
    cut = x[: rows * side, : columns * side].reshape(rows, side, columns, side, -1)
    return np.einsum("rictk,itko->rco", cut, kernel) + weights[f"{name}/bias"]


def block(x, weights, name):
    """One place at a time: a 7x7 window of each channel by itself, then the places' networks."""
    padded = np.pad(x, ((3, 3), (3, 3), (0, 0)))
    kernel = weights[f"{name}_conv/kernel"][..., 0]
    y = np.empty_like(x)
    for r in range(x.shape[0]):
        for c in range(x.shape[1]):
            y[r, c] = (padded[r : r + 7, c : c + 7] * kernel).sum((0, 1)) + weights[f"{name}_conv/bias"]
    y = gelu(dense(norm(y, weights, f"{name}_norm"), weights, f"{name}_mlp1"))
    if f"{name}_grn/gamma" in weights:
        strength = np.sqrt((y**2).sum((0, 1)))
        y = y + weights[f"{name}_grn/gamma"] * y * strength / (strength.mean() + 1e-6) + weights[f"{name}_grn/beta"]
    return x + dense(y, weights, f"{name}_mlp2") * weights.get(f"{name}_scale/gamma", 1.0)


def reference(image, weights, depths):
    """The last map of one image."""
    x = norm(strided(image, weights, "stem_conv"), weights, "stem_norm")
    for stage, count in enumerate(depths, start=1):
        if stage > 1:
            name = f"stage{stage}_downsample"
            x = strided(norm(x, weights, f"{name}_norm"), weights, f"{name}_conv")
        for number in range(1, count + 1):
            x = block(x, weights, f"stage{stage}_block{number}")
    return x


@pytest.mark.parametrize("version", [1, pytest.param(2, marks=tensorflow_only)])
def test_features_equal_numpy_at_any_size(version):
    model = ConvNeXt(**TINY, version=version)
    weights = draw_weights(model)
    for size in ((16, 16), (19, 38)):
        x = np.random.default_rng(1).normal(size=(2, *size, 3)).astype("float32")
        maps = [reference(image, weights, TINY["depths"]) for image in x.astype("float64")]
        expected = norm(np.stack([one.mean((0, 1)) for one in maps]), weights, "norm")
        np.testing.assert_allclose(features(model, x), expected, atol=1e-4)


@tensorflow_only
def test_poolings_and_the_last_norm():
    x = np.random.default_rng(1).normal(size=(2, 16, 32, 3)).astype("float32")
    model, bare = ConvNeXt(**TINY), ConvNeXt(**TINY, final_norm=False)
    weights = draw_weights(model)
    bare.set_weights(model.get_weights()[:-2])
    maps, bare_maps = (ConvNeXt(**TINY, pooling=None, final_norm=last) for last in (True, False))
    maps.set_weights(model.get_weights())
    bare_maps.set_weights(bare.get_weights())
    assert maps(x).shape == (2, 1, 2, 32) and model.output_shape == (None, 32)
    np.testing.assert_allclose(norm(np.array(bare(x)), weights, "norm"), model(x), atol=1e-4)
    np.testing.assert_allclose(norm(np.array(bare_maps(x)), weights, "norm"), maps(x), atol=1e-4)
    places, pooled = feature_map(model, "it")(x)
    np.testing.assert_allclose(places, np.array(bare_maps(x)).reshape(2, 2, 32), atol=1e-5)
    np.testing.assert_allclose(pooled, model(x), atol=1e-5)
    assert feature_grid(model, (None, 16, 32, 3), "it") == (1, 2)


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"drop_path": 0.2}, {"version": 2, "final_norm": False}])
def test_conforms(more):
    check_encoder(lambda: ConvNeXt(**TINY | more), (16, 16, 3), stable_names=True)


@tensorflow_only
@pytest.mark.parametrize(
    "arguments, published",
    [  # timm's, without classifiers
        ({"variant": "T"}, 27_820_128),
        ({"variant": "S"}, 49_454_688),
        ({"variant": "B"}, 87_566_464),
        ({"variant": "L"}, 196_230_336),
        ({"variant": "A", "version": 2}, 3_387_400),
        ({"variant": "T", "version": 2}, 27_866_496),
    ],
)
def test_parameter_counts_are_the_published_ones(arguments, published):
    assert trainable_parameters(ConvNeXt, **arguments) == published


@tensorflow_only
def test_layer_names_are_a_public_format():
    names = [layer.name for layer in ConvNeXt(**TINY, drop_path=0.1).layers if layer.weights]
    assert names[:2] == ["stem_conv", "stem_norm"] and names[-1] == "norm"
    parts = ["conv", "norm", "mlp1", "mlp2", "scale"]
    assert names[2:7] == [f"stage1_block1_{part}" for part in parts]
    assert names[7:9] == ["stage2_downsample_norm", "stage2_downsample_conv"]
    assert "stage4_block1_grn" in {layer.name for layer in ConvNeXt(**TINY, version=2).layers}


def test_config_round_trip():
    model = ConvNeXt("A", 4, (1, 1, 1, 1), 1, 2, 0.1, 0.2, False, (None, 16, 1), None, 2, "mine")
    config = json.loads(json.dumps(model.get_config()))
    assert list(config) == list(keras_ssl.hub.signatures.known_arguments(ConvNeXt))
    again = ConvNeXt.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config and again.output_shape[-1] == 32


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"variant": "Q"}, "`variant` must be one of"),
        ({"width": 0}, "`width` must"),
        ({"depths": (1, 1, 1)}, "`depths` must hold four numbers"),
        ({"depths": (1, 0, 1, 1)}, "`depths` must"),
        ({"patch_size": 0}, "`patch_size` must"),
        ({"version": 3}, "`version` must"),
        ({"layer_scale": 0.0}, "`layer_scale` must"),
        ({"drop_path": 1.0}, "`drop_path` must lie"),
        ({"pooling": "class"}, "`pooling` must be"),
        ({"input_shape": (16, 64, 3)}, "`input_shape` must have sides of 32 pixels or more"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=f"{message}.*Received: "):
        ConvNeXt(**{"width": 4, "depths": (1, 1, 1, 1)} | arguments)
