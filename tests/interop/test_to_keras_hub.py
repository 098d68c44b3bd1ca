import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.encoders import ConvNet, ResNet, RotaryViT, ViT
from keras_ssl.interop import from_keras_hub, to_keras_hub
from tests.interop.backbones import drawn

keras_hub = pytest.importorskip("keras_hub")
pytestmark = [pytest.mark.interop, pytest.mark.slow]
TOLERANCE = 1e-4  # of the largest number


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def images(height, width, channels=3):
    return np.random.RandomState(0).rand(2, height, width, channels).astype("float32")


def tiny_vit(**options):
    sizes = {"patch_size": 4, "width": 16, "depth": 2, "heads": 2, "image_size": 16, "pooling": None}
    return drawn(ViT("Ti", **{**sizes, **options}))


def assert_equal(found, expected):
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, atol=TOLERANCE * np.abs(expected).max())


VITS = {
    "plain": ("ViTBackbone", {}),
    "mae": ("ViTBackbone", {"position": "sincos", "interpolate_offset": 0.0}),
    "ijepa": ("ViTBackbone", {"position": "sincos", "class_token": False}),
    "dinov2": ("DINOV2Backbone", {"layer_scale": 1.0}),
    "registers": ("DINOV2Backbone", {"registers": 2, "interpolate_antialias": True, "interpolate_offset": 0.0}),
    "swiglu": ("DINOV2Backbone", {"mlp": "swiglu", "layer_scale": 1e-5, "registers": 1}),
    "gray": ("DINOV2Backbone", {"layer_scale": 0.5, "channels": 1}),
}


@pytest.mark.parametrize("size", [None, 24])
@pytest.mark.parametrize("name", VITS)
def test_a_vit_gives_the_same_tokens_there(name, size):
    kind, options = VITS[name]
    encoder = tiny_vit(**options)
    backbone = to_keras_hub(encoder, image_size=size)
    assert type(backbone).__name__ == kind
    x = images(size or 16, size or 16, options.get("channels", 3))
    assert_equal(numbers(backbone({"images": x} if kind == "DINOV2Backbone" else x)), numbers(encoder(x)))


ROTARY = {
    "dinov3": {"layer_scale": 1e-5, "registers": 4},
    "plus": {"mlp": "swiglu", "mlp_ratio": 6.0, "layer_scale": 0.5, "registers": 1},
    "bare": {"qkv_bias": False, "bias": False, "registers": 0},
}


def tiny_rotary(**options):
    sizes = {"patch_size": 4, "width": 16, "depth": 2, "heads": 2, "pooling": None, "registers": 0}
    encoder = RotaryViT("Ti", **{**sizes, **options})
    periods = encoder.get_layer("rope").get_weights()
    drawn(encoder).get_layer("rope").set_weights(periods)
    return encoder


@pytest.mark.parametrize("size", [16, 24])
@pytest.mark.parametrize("name", ROTARY)
def test_a_rotary_vit_gives_the_same_tokens_there(name, size):
    encoder = tiny_rotary(**ROTARY[name])
    backbone = to_keras_hub(encoder, image_size=size)
    x = images(size, size)
    assert_equal(numbers(backbone({"pixel_values": x})), numbers(encoder(x)))


def test_a_rotary_vit_of_wide_images_and_one_of_other_periods():
    encoder = tiny_rotary(input_shape=(16, 24, 3), registers=2)
    x = images(16, 24)
    assert_equal(numbers(to_keras_hub(encoder)({"pixel_values": x})), numbers(encoder(x)))
    with pytest.raises(ValueError, match="`image_size` must be given .* Received: image_size=None"):
        to_keras_hub(tiny_rotary())
    rope = encoder.get_layer("rope")
    rope.set_weights([1.01 * rope.get_weights()[0]])
    with pytest.raises(ValueError, match="computes the periods"):
        to_keras_hub(encoder)


def test_images_of_unequal_sides():
    encoder = tiny_vit(input_shape=(16, 24, 3))
    assert_equal(numbers(to_keras_hub(encoder)(images(16, 24))), numbers(encoder(images(16, 24))))
    with pytest.raises(ValueError, match="the same for both sides. Received: images of 16 x 24 pixels"):
        to_keras_hub(tiny_vit(input_shape=(16, 24, 3), layer_scale=1.0))
    with pytest.raises(ValueError, match="`image_size` must be a multiple of 4. Received: images of 18 x 18 pixels"):
        to_keras_hub(tiny_vit(), image_size=18)


@pytest.mark.parametrize("depth, size", [(18, 32), (18, 45), (50, 32)])
def test_a_resnet_gives_the_same_map_there(depth, size):
    encoder = drawn(ResNet(depth, pooling=None))
    assert_equal(numbers(to_keras_hub(encoder)(images(size, size))), numbers(encoder(images(size, size))))


def test_there_and_back_it_is_the_same_encoder():
    encoder = tiny_vit(layer_scale=0.7, registers=2, pooling="class_mean")
    back = from_keras_hub(to_keras_hub(encoder), "class_mean")
    assert_equal(numbers(back(images(16, 16))), numbers(encoder(images(16, 16))))


def test_a_preset_that_is_saved_gives_the_same(tmp_path):
    models = keras_hub.models
    encoder = tiny_vit(layer_scale=0.7)
    to_keras_hub(encoder, image_size=24).save_to_preset(str(tmp_path))
    again = models.Backbone.from_preset(str(tmp_path))
    assert_equal(numbers(again({"images": images(24, 24)})), numbers(encoder(images(24, 24))))


def test_an_entry_of_the_zoo_goes_there():
    with pytest.raises(ValueError, match="it has those of ResNet, ViT, RotaryViT. Received: encoder=ConvNet"):
        to_keras_hub(keras_ssl.load("barlow_digits", include_preprocessing=False))


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: ConvNet((4,)), "those of ResNet, ViT, RotaryViT. Received: encoder=ConvNet"),
        (lambda: ResNet(18, width=0.125), "has width=1 and not 0.125. Received: encoder=ResNet"),
        (lambda: ResNet(18, stem="cifar"), "stem='imagenet' and not 'cifar'"),
        (lambda: ResNet(18, pool_padding="same"), "pool_padding='symmetric' and not 'same'"),
        (lambda: tiny_vit(mlp="gelu_tanh"), "exact GELU"),
        (lambda: tiny_vit(causal=True), "not causal"),
        (lambda: tiny_vit(pooling="attention"), "no pooling='attention'"),
        (lambda: tiny_vit(class_token=False, layer_scale=1.0), "has a class token"),
        (lambda: tiny_rotary(norm="rms"), "norm='layer' and not 'rms'. Received: encoder=RotaryViT"),
        (lambda: RotaryViT("Ti", 4, depth=1, registers=3, rotary="capi"), "rotary='dinov3' and not 'capi'"),
        (lambda: tiny_rotary(mlp="gelu_tanh"), "exact GELU"),
    ],
)
def test_what_keras_hub_does_not_have_is_named(make, match):
    with pytest.raises(ValueError, match=match):
        to_keras_hub(make())
