import itertools
import json

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.encoders.feature_map import feature_grid, feature_map
from keras_ssl.encoders.swin import Swin
from keras_ssl.testing import check_encoder
from tests.encoders.test_vit import dense, draw_weights, features, gelu
from tests.encoders.unallocated import trainable_parameters

tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="takes long to compile on JAX, where other tests see the same"
)
TINY = {"width": 4, "depths": (1, 2, 2, 1), "heads": (1, 2, 2, 4), "window": 3, "patch_size": 2}


def norm(x, weights, name):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    return x * weights[f"{name}/gamma"] + weights[f"{name}/beta"]


def attention(qkv, weights, name, heads, window, shifted):
    """One place at a time: it sees those of its window that are its neighbors on the map, wherever the window lies."""
    rows, columns, width = qkv.shape[0], qkv.shape[1], qkv.shape[2] // 3
    depth = width // heads
    parts = qkv.reshape(rows, columns, 3, heads, depth)
    table = weights[f"{name}_attention/position_bias"].reshape(2 * window - 1, 2 * window - 1, heads)
    shifts = [window // 2 if shifted and side > window else 0 for side in (rows, columns)]

    def number(place):
        """Of the window, in both directions: those before the first shifted one are by themselves."""
        return tuple((i + window - shift) // window for i, shift in zip(place, shifts, strict=True))

    places = list(itertools.product(range(rows), range(columns)))
    made = np.zeros((rows, columns, heads, depth))
    for here in places:
        seen = [there for there in places if number(there) == number(here)]
        for h in range(heads):
            logits = [
                parts[here][0, h] @ parts[there][1, h] / depth**0.5
                + table[here[0] - there[0] + window - 1, here[1] - there[1] + window - 1, h]
                for there in seen
            ]
            shares = np.exp(np.array(logits) - max(logits))
            made[here][h] = sum(
                share * parts[there][2, h] for share, there in zip(shares / shares.sum(), seen, strict=True)
            )
    return made.reshape(rows, columns, width)


def padded(x, multiple):
    return np.pad(x, ((0, -x.shape[0] % multiple), (0, -x.shape[1] % multiple), (0, 0)))


def block(x, weights, name, heads, window, shifted):
    y = dense(padded(norm(x, weights, f"{name}_norm1"), window), weights, f"{name}_qkv")
    y = attention(y, weights, name, heads, window, shifted)[: x.shape[0], : x.shape[1]]
    x = x + dense(y, weights, f"{name}_projection")
    return x + dense(gelu(dense(norm(x, weights, f"{name}_norm2"), weights, f"{name}_mlp1")), weights, f"{name}_mlp2")


def reference(image, weights, patch_size, depths, heads, window, **_):
    """The last map of one image, normalized."""
    kernel = weights["patch_embedding/kernel"]
    rows, columns = (side // patch_size for side in image.shape[:2])
    cut = image[: rows * patch_size, : columns * patch_size].reshape(rows, patch_size, columns, patch_size, -1)
    x = np.einsum("rictk,itko->rco", cut, kernel) + weights["patch_embedding/bias"]
    x = norm(x, weights, "patch_norm")
    for stage, count in enumerate(depths, start=1):
        if stage > 1:
            x, name = padded(x, 2), f"stage{stage}_downsample"
            x = np.concatenate([x[i::2, j::2] for j in (0, 1) for i in (0, 1)], axis=-1)
            x = norm(x, weights, f"{name}_norm") @ weights[f"{name}_dense/kernel"]
        side = window if isinstance(window, int) else window[stage - 1]
        for number in range(1, count + 1):
            x = block(x, weights, f"stage{stage}_block{number}", heads[stage - 1], side, number % 2 == 0)
    return norm(x, weights, "norm")


@pytest.mark.parametrize("window", [3, pytest.param((4, 3, 2, 2), marks=tensorflow_only)])
def test_features_equal_numpy_at_any_size(window):
    arguments = TINY | {"window": window}
    model = Swin(**arguments)
    weights = draw_weights(model)
    # A whole number of windows; padded, with odd maps and a border that is not seen; less than a window.
    for size in ((24, 48), (27, 38), (6, 5)):
        x = np.random.default_rng(1).normal(size=(2, *size, 3)).astype("float32")
        expected = [reference(image, weights, **arguments).mean((0, 1)) for image in x.astype("float64")]
        np.testing.assert_allclose(features(model, x), expected, atol=1e-4)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="shapes are known on JAX")
def test_a_compiled_program_for_images_of_any_size():
    import tensorflow as tf

    model = Swin(**TINY)
    draw_weights(model)
    program = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 3))])
    for size in ((24, 48), (27, 38), (6, 5)):
        x = np.random.default_rng(1).normal(size=(2, *size, 3)).astype("float32")
        np.testing.assert_allclose(program(x), model(x), atol=1e-5)


@tensorflow_only
def test_poolings_and_the_places_of_the_last_map():
    x = np.random.default_rng(1).normal(size=(2, 16, 32, 3)).astype("float32")
    model, maps = Swin(**TINY), Swin(**TINY, pooling=None)
    draw_weights(model)
    maps.set_weights(model.get_weights())
    assert maps(x).shape == (2, 1, 2, 32) and model.output_shape == (None, 32)
    np.testing.assert_allclose(np.array(maps(x)).mean((1, 2)), model(x), atol=1e-5)
    places, pooled = feature_map(model, "it")(x)
    np.testing.assert_allclose(places, np.array(maps(x)).reshape(2, 2, 32), atol=1e-5)
    np.testing.assert_allclose(pooled, model(x), atol=1e-5)
    assert feature_grid(model, (None, 16, 32, 3), "it") == model.grid((None, 16, 32, 3)) == (1, 2)
    tokens = model.get_layer("patch_norm")(model.get_layer("patch_embedding")(x))
    np.testing.assert_allclose(model.encode(tokens), places, atol=1e-5)
    np.testing.assert_allclose(model.pool(places), pooled, atol=1e-5)
    assert np.array_equal(model.patches(x)[1, 1], x[1, :, 16:].ravel())
    with pytest.raises(ValueError, match=r"multiples of 16 here. Received: shape=\(None, 16, 24, 3\)"):
        model.grid((None, 16, 24, 3))


@pytest.mark.slow
@pytest.mark.parametrize("more", [{"drop_path": 0.2}, {"window": (4, 4, 4, 2), "channels": 5}])
def test_conforms(more):
    check_encoder(lambda: Swin(**TINY | more), (24, 16, more.get("channels", 3)), stable_names=True)


@tensorflow_only
@pytest.mark.parametrize(
    "arguments, published",
    [  # timm's, without classifiers
        ({"variant": "T"}, 27_519_354),
        ({"variant": "S"}, 48_837_258),
        ({"variant": "B"}, 86_743_224),
        ({"variant": "L"}, 194_995_476),
        ({"variant": "B", "window": 12}, 86_878_584),
    ],
)
def test_parameter_counts_are_the_published_ones(arguments, published):
    assert trainable_parameters(Swin, **arguments) == published


@tensorflow_only
def test_layer_names_are_a_public_format():
    names = [layer.name for layer in Swin(**TINY, drop_path=0.1).layers if layer.weights]
    assert names[:2] == ["patch_embedding", "patch_norm"] and names[-1] == "norm"
    parts = ["norm1", "qkv", "attention", "projection", "norm2", "mlp1", "mlp2"]
    assert names[2:9] == [f"stage1_block1_{part}" for part in parts]
    assert names[9:11] == ["stage2_downsample_norm", "stage2_downsample_dense"]
    assert names[18:25] == [f"stage2_block2_{part}" for part in parts]


@tensorflow_only
def test_branches_are_left_out_the_more_often_the_deeper_they_lie():
    model = Swin(**TINY, drop_path=0.5)
    rates = [layer.rate for layer in model.layers if isinstance(layer, keras_ssl.layers.DropPath)]
    assert rates == pytest.approx([rate for rate in (0.1, 0.2, 0.3, 0.4, 0.5) for _ in (1, 2)])
    columns = [layer.column for layer in model.layers if isinstance(layer, keras_ssl.layers.DropPath)]
    assert columns == list(range(2, 12)) and model.get_layer("draws").count == 12


def test_config_round_trip():
    model = Swin("S", (4, 3, 2, 1), 4, (1, 1, 1, 1), (1, 1, 2, 2), 1, 2.0, 0.1, 1e-6, (None, 16, 1), None, 2, "mine")
    config = json.loads(json.dumps(model.get_config()))
    assert list(config) == list(keras_ssl.hub.signatures.known_arguments(Swin))
    again = Swin.from_config(config)
    assert json.loads(json.dumps(again.get_config())) == config and again.output_shape[-1] == 32
    plain = Swin(width=4, depths=(1, 1, 1, 1), heads=(1, 1, 1, 1))
    assert plain.name == "swin_t" and plain.get_config()["window"] == 7 and plain.usual_size == 224


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"variant": "Q"}, "`variant` must be one of"),
        ({"window": 0}, "`window` must"),
        ({"window": (7, 7, 7)}, "`window` must hold four numbers"),
        ({"width": 0}, "`width` must"),
        ({"depths": (1, 1, 1)}, "`depths` must hold four numbers"),
        ({"depths": (1, 0, 1, 1)}, "`depths` must"),
        ({"heads": (1, 1, 1, 3)}, "`heads` must divide"),
        ({"heads": (1, 1)}, "`heads` must hold four numbers"),
        ({"patch_size": 0}, "`patch_size` must"),
        ({"mlp_ratio": 0.0}, "`mlp_ratio` must"),
        ({"drop_path": 1.0}, "`drop_path` must lie"),
        ({"norm_epsilon": 0.0}, "`norm_epsilon` must"),
        ({"pooling": "class"}, "`pooling` must be"),
        ({"input_shape": (2, 64, 3)}, "`input_shape` must hold a patch of 4"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=f"{message}.*Received: "):
        Swin(**{"width": 4, "depths": (1, 1, 1, 1), "heads": (1, 1, 1, 1)} | arguments)
