import json

import keras
import numpy as np
import pytest

from keras_ssl.encoders.resnet import ResNet
from keras_ssl.hub.signatures import known_arguments
from keras_ssl.testing.check_encoder import check_encoder
from tests.encoders.parity_torchvision import GOLDEN, draw, images
from tests.encoders.unallocated import trainable_parameters

SUFFIXES = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
tensorflow_only = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="takes long to compile on JAX, where other tests see the same"
)


def torch_key(path):
    """torchvision's name of the weight that has this path."""
    layer, variable = path.split("/")
    parts = layer.split("_")
    if parts[0] == "stem":
        owner = f"{parts[1]}1"
    else:
        owner = f"layer{parts[0].removeprefix('stage')}.{int(parts[1].removeprefix('block')) - 1}."
        owner += f"downsample.{['conv', 'bn'].index(parts[3])}" if parts[2] == "shortcut" else parts[2]
    return f"{owner}.{SUFFIXES.get(variable, 'weight')}"


def load_drawn_weights(model):
    for weight in model.weights:
        shape = tuple(weight.shape)
        if len(shape) == 4:
            h, w, i, o = shape
            weight.assign(draw(torch_key(weight.path), (o, i, h, w)).transpose(2, 3, 1, 0))
        else:
            weight.assign(draw(torch_key(weight.path), shape))


@pytest.mark.parametrize(
    "depth",
    [18, pytest.param(34, marks=tensorflow_only), 50, pytest.param(101, marks=[pytest.mark.slow, tensorflow_only])],
)
def test_features_equal_torchvision(depth):
    model = ResNet(depth)
    load_drawn_weights(model)
    expected = np.load(GOLDEN)[f"resnet{depth}"]
    actual = keras.ops.convert_to_numpy(model(images(), training=False))
    np.testing.assert_allclose(actual, expected, atol=2e-5 * np.abs(expected).max())


def numpy_conv(x, kernel, strides):
    """Cross-correlation with `kernel // 2` zeros on every side, one output pixel at a time."""
    k = kernel.shape[0]
    x = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2), (0, 0)))
    rows, columns = range(0, x.shape[1] - k + 1, strides), range(0, x.shape[2] - k + 1, strides)
    return np.stack(
        [np.stack([np.einsum("nijc,ijco->no", x[:, r : r + k, c : c + k], kernel) for c in columns], 1) for r in rows],
        1,
    )


def test_the_cifar_stem_equals_numpy():
    """The first stage of a CIFAR ResNet, spelled out: no stride, no pooling."""
    model = ResNet(18, width=0.03125, stem="cifar", zero_init_residual=False)
    load_drawn_weights(model)
    weights = {w.path: keras.ops.convert_to_numpy(w).astype("float64") for w in model.weights}

    def conv_bn(x, conv, bn):
        x = numpy_conv(x, weights[f"{conv}/kernel"], 1)
        x = (x - weights[f"{bn}/moving_mean"]) / np.sqrt(weights[f"{bn}/moving_variance"] + 1e-5)
        return x * weights[f"{bn}/gamma"] + weights[f"{bn}/beta"]

    x = np.random.default_rng(0).normal(size=(2, 7, 5, 3)).astype("float32")
    expected = np.maximum(conv_bn(x.astype("float64"), "stem_conv", "stem_bn"), 0.0)
    for block in ("stage1_block1", "stage1_block2"):
        y = np.maximum(conv_bn(expected, f"{block}_conv1", f"{block}_bn1"), 0.0)
        expected = np.maximum(expected + conv_bn(y, f"{block}_conv2", f"{block}_bn2"), 0.0)
    stage = keras.Model(model.inputs, model.get_layer("stage1_block2_relu").output)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(stage(x, training=False)), expected, atol=1e-4)
    assert tuple(model.get_layer("stage4_block2_relu").output.shape) == (None, None, None, 16)
    feature_map = ResNet(18, width=0.03125, stem="cifar", pooling=None)(np.zeros((1, 32, 32, 3), "float32"))
    assert tuple(feature_map.shape) == (1, 4, 4, 16)


def numpy_pool(x, before):
    """3x3 maxima at every second place, `before` places outside on either axis; what lies there is no number."""
    rows, columns = ((side + 1) // 2 for side in x.shape[1:3])
    padded = np.pad(x, ((0, 0), (before[0], 3), (before[1], 3), (0, 0)), constant_values=-np.inf)
    cells = [padded[:, r : r + 2 * rows : 2, c : c + 2 * columns : 2] for r in range(3) for c in range(3)]
    return np.max(cells, axis=0)


@pytest.mark.parametrize(
    "stem, padding, size, before",
    # TensorFlow pads what is missing, the smaller half before: nothing before a map of even size, 1 before an odd one.
    [
        ("cifar_pool", "same", 8, 0),
        ("cifar_pool", "same", 9, 1),
        ("cifar_pool", "symmetric", 8, 1),
        ("imagenet", "same", 16, 0),
        ("imagenet", "same", 18, 1),
        ("imagenet", "symmetric", 16, 1),
    ],
)
def test_the_stem_pools_as_its_framework_pads(stem, padding, size, before):
    encoder = ResNet(18, width=0.0625, stem=stem, pool_padding=padding, input_shape=(size, size, 3))
    probe = keras.Model(encoder.input, [encoder.get_layer(name).output for name in ("stem_relu", "stem_pool")])
    x = np.random.default_rng(0).normal(size=(2, size, size, 3)).astype("float32")
    mapped, pooled = (keras.ops.convert_to_numpy(y) for y in probe(x))
    np.testing.assert_array_equal(pooled, numpy_pool(mapped, (before, before)))


@pytest.mark.parametrize(
    "depth, parameters, dimension",
    # torchvision's published counts less the classifier's (512 or 2048) * 1000 + 1000.
    [(18, 11_689_512, 512), (34, 21_797_672, 512), (50, 25_557_032, 2048), (101, 44_549_160, 2048)],
)
@tensorflow_only
def test_parameter_counts_are_torchvisions(depth, parameters, dimension):
    assert trainable_parameters(ResNet, depth=depth) == parameters - 1000 * dimension - 1000


@pytest.mark.parametrize(
    "depth, width, millions",
    [
        # SimCLR (table 6 of the paper): 24M, 94M and 375M; BYOL: 250M for ResNet-200 x2; VICReg's README: 93M and 250M.
        (50, 2, 93.9),
        (50, 4, 375.4),
        (200, 2, 250.1),
    ],
)
@tensorflow_only
def test_parameter_counts_of_wide_ones_are_the_published(depth, width, millions):
    count = trainable_parameters(ResNet, depth=depth, width=width)
    assert round(count / 1e6, 1) == millions
    assert count == wide_parameters({50: (3, 4, 6, 3), 200: (3, 24, 36, 3)}[depth], 64 * width)


def wide_parameters(blocks, channels):
    """Counted by hand: every layer `width` times as wide, as `widen` and `width_multiplier` mean it."""
    count, inputs = 49 * 3 * channels + 2 * channels, channels
    for stage, number in enumerate(blocks):
        inner = channels * 2**stage
        count += inputs * 4 * inner + 8 * inner  # the shortcut of the first block
        for _ in range(number):
            count += inputs * inner + 9 * inner * inner + 4 * inner * inner + 2 * (inner + inner + 4 * inner)
            inputs = 4 * inner
    return count


@tensorflow_only
@pytest.mark.parametrize("depth", [152, 200])
@pytest.mark.long
def test_deep_ones_have_their_layers(depth):
    model = ResNet(depth, width=0.015625)
    assert sum(isinstance(layer, keras.layers.Conv2D) for layer in model.layers) == depth - 1 + 4


@pytest.mark.slow
def test_width_multiplies_every_layer():
    narrow, wide = ResNet(50, width=0.125), ResNet(50, width=0.25)
    for a, b in zip(narrow.weights, wide.weights, strict=True):
        inputs = 1 if a.path == "stem_conv/kernel" else 2
        assert tuple(b.shape) == (*a.shape[:-2], *(inputs * n for n in a.shape[-2:-1]), 2 * a.shape[-1])
    assert wide.output_shape == (None, 512)


@pytest.mark.slow
def test_initial_weights():
    model = ResNet(18, width=0.5)
    kernel = keras.ops.convert_to_numpy(model.get_layer("stage3_block1_conv1").kernel)
    assert kernel.std() == pytest.approx(np.sqrt(2 / (9 * 128)), rel=0.02)
    assert {layer.use_bias for layer in model.layers if isinstance(layer, keras.layers.Conv2D)} == {False}

    def gammas(zero_init_residual, depth, last):
        model = ResNet(depth, width=0.0625, zero_init_residual=zero_init_residual)
        return {float(keras.ops.max(x.gamma)) for x in model.layers if x.name.endswith(last)}

    assert gammas(True, 18, "bn2") == {0.0} and gammas(True, 50, "bn3") == {0.0}
    assert gammas(False, 18, "bn2") == {1.0} and gammas(True, 50, "bn2") == {1.0}


def test_layer_names_are_a_public_format():
    names = [layer.name for layer in ResNet(18, width=0.0625).layers if layer.weights]
    assert names[:4] == ["stem_conv", "stem_bn", "stage1_block1_conv1", "stage1_block1_bn1"]
    assert "stage1_block1_shortcut_conv" not in names
    assert {"stage2_block1_shortcut_conv", "stage2_block1_shortcut_bn", "stage4_block2_bn2"} <= set(names)
    assert len(names) == len(set(names)) == 2 * (1 + 16 + 3)
    assert "stage1_block1_shortcut_conv" in [x.name for x in ResNet(50, width=0.0625).layers]


@pytest.mark.slow
def test_config_round_trip():
    model = ResNet(34, 0.25, "cifar", (32, 32, 1), None, False, "same", name="mine")
    config = json.loads(json.dumps(model.get_config()))
    assert list(config) == list(known_arguments(ResNet))
    again = ResNet.from_config(config)
    assert again.get_config() == model.get_config()
    assert again.output_shape == model.output_shape == (None, 4, 4, 128)
    assert ResNet(18, width=0.0625).name == "resnet18"


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_float32_weights_and_computes_in_half(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = ResNet(18, width=0.0625)
    finally:
        keras.config.set_dtype_policy("float32")
    assert {w.dtype for w in model.weights} == {"float32"}
    output = model(np.zeros((1, 32, 32, 3), "float32"))
    assert keras.backend.standardize_dtype(output.dtype) == policy.removeprefix("mixed_")


@pytest.mark.slow
def test_conforms():
    check_encoder(ResNet(18, width=0.0625), (16, 16, 3), stable_names=True)


@tensorflow_only
@pytest.mark.long
def test_bottlenecks_and_the_cifar_stem_conform():
    check_encoder(ResNet(50, width=0.0625, stem="cifar", input_shape=(None, None, 5)), (8, 8, 5), stable_names=True)


@pytest.mark.parametrize(
    "bad",
    [
        {"depth": 20},
        {"width": 0},
        {"width": 0.01},
        {"stem": "Cifar"},
        {"pool_padding": "valid"},
        {"input_shape": (32, 32)},
        {"input_shape": (32, 32, None)},
        {"input_shape": (0, 32, 3)},
        {"pooling": "max"},
    ],
)
def test_rejects_unknown_values(bad):
    name, value = next(iter(bad.items()))
    with pytest.raises(ValueError) as error:
        ResNet(**({"depth": 18} | bad))
    assert f"{name}`" in str(error.value) and str(error.value).endswith(
        (f"Received: {name}={value}", f"{name}={value!r}")
    )
