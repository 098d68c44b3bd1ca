"""Entries for images of other channels: kernels, preprocessing and what the exported card says."""

import keras
import numpy as np
import pytest

from keras_ssl import hub
from keras_ssl.checkpoints import adapted_kernel
from keras_ssl.encoders import ConvNet, ResNet, ViT
from keras_ssl.hub import Card, CardFile
from keras_ssl.layers import ImagePreprocessing
from keras_ssl.weights.named_weights import named_weights
from tests.checkpoints.published import VITS, resnet, vit, write
from tests.hub.entries import export_quietly, randomise

RNG = np.random.default_rng(0)


def run(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def timm(kernel, channels):
    """timm's rule for a kernel `[out, 3, height, width]`, from its documentation: sum, or tile, cut and scale."""
    if channels == 1:
        return kernel.sum(1, keepdims=True)
    return np.tile(kernel, (1, -(-channels // 3), 1, 1))[:, :channels] * (3 / channels)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 7, 13])
def test_kernels_of_three_channels_are_adapted_as_timm_does(channels):
    kernel = RNG.normal(size=(5, 3, 2, 2)).astype("float32")
    ours = adapted_kernel(kernel.transpose(2, 3, 1, 0), channels)
    np.testing.assert_allclose(ours.transpose(3, 2, 0, 1), timm(kernel, channels), rtol=1e-6)
    assert ours.dtype == np.float32


@pytest.mark.parametrize("channels", [2, 4, 12, 26])
def test_equal_channels_give_the_same_sum(channels):
    """A constant image comes out the same, where each channel of the kernel is seen equally often."""
    kernel = np.repeat(RNG.normal(size=(2, 2, 1, 5)), 13, axis=2)
    np.testing.assert_allclose(adapted_kernel(kernel, channels).sum(2), kernel.sum(2), rtol=1e-6)


def entry(path, encoder, preprocessing="auto"):
    export_quietly(randomise(encoder), path, preprocessing=preprocessing)
    return path


ENCODERS = {
    "resnet": lambda: ResNet(18, width=0.0625, stem="cifar"),
    "vit": lambda: ViT("Ti", patch_size=4, width=12, heads=3, depth=1, image_size=8),
    "conv_net": lambda: ConvNet(widths=(4, 8)),
}


@pytest.mark.parametrize("kind", ENCODERS)
def test_a_gray_image_gives_what_it_gives_in_three_equal_channels(tmp_path, kind, without_saved_model):
    layer = ImagePreprocessing(0.5, 0.25)
    folder = entry(tmp_path / "rgb", ENCODERS[kind](), layer)
    gray = RNG.integers(0, 256, (3, 8, 8, 1)).astype("uint8")
    model = hub.load(folder, channels=1)
    assert model.input_shape[-1] == 1
    np.testing.assert_allclose(run(model, gray), run(hub.load(folder), np.repeat(gray, 3, -1)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ENCODERS)
def test_five_channels_get_the_kernels_in_turn_and_all_else_stays(tmp_path, kind, without_saved_model):
    folder = entry(tmp_path / "rgb", ENCODERS[kind]())
    own, other = (named_weights(hub.load(folder, include_preprocessing=False, channels=n)) for n in (None, 5))
    changed = [name for name in own if own[name].shape != other[name].shape]
    assert len(changed) == 1
    expected = np.asarray(own[changed[0]])[:, :, [0, 1, 2, 0, 1]] * (3 / 5)
    np.testing.assert_allclose(np.asarray(other[changed[0]]), expected, rtol=1e-6)
    for name in set(own) - set(changed):
        np.testing.assert_array_equal(np.asarray(own[name]), np.asarray(other[name]))
    layer = hub.preprocessing(folder, channels=5)
    assert layer.mean == [0.485, 0.456, 0.406, 0.485, 0.456] and hub.preprocessing(folder, channels=3).mean[2] == 0.406
    np.testing.assert_allclose(hub.preprocessing(folder, channels=1).mean, np.mean([0.485, 0.456, 0.406]))
    assert np.isfinite(run(hub.load(folder, channels=5, image_size=8), RNG.random((2, 8, 8, 5)))).all()


def test_the_exported_card_tells_what_was_done(tmp_path, without_saved_model):
    folder = entry(tmp_path / "rgb", ENCODERS["resnet"]())
    for channels, rule in ((1, "the sum over 3 channels"), (5, "that of channel i mod 3, times 3/5")):
        model = hub.load(folder, channels=channels)
        export_quietly(model, tmp_path / f"of_{channels}", origin={"note": "mine"})
        card = Card.read(tmp_path / f"of_{channels}" / "card.toml")
        said = {"entry": "rgb", "first_kernel": f"for channel i of {channels}: {rule}", "note": "mine"}
        assert card.origin == said
        images = RNG.random((2, 8, 8, channels)).astype("float32")
        np.testing.assert_allclose(run(hub.load(tmp_path / f"of_{channels}"), images), run(model, images), atol=1e-5)
    export_quietly(hub.load(folder, channels=3), tmp_path / "same")
    assert Card.read(tmp_path / "same" / "card.toml").origin == {}


@pytest.mark.parametrize("channels", [1, 4])
def test_another_project_s_file_is_adapted_too(house, server, channels):
    kind, layout, arguments = VITS["dino"]
    for name, weights, architecture in (
        ("vit", layout(vit(**kind)), {"name": "ViT", "arguments": arguments}),
        ("resnet", resnet()[0], {"name": "ResNet", "arguments": {"depth": 18, "width": 1 / 32}}),
    ):
        write(house / "made", weights)
        server.files[f"/{name}.pth"] = (house / "made").read_bytes()
        file = CardFile(f"{name}.pth", None, "first-use", f"{server.address}/{name}.pth")
        table = {"mean": [0.1, 0.2, 0.3], "std": [0.5, 0.6, 0.7]}
        card = Card(name, architecture, (file,), preprocessing=table, checkpoint={"path": f"{name}.pth"})
        card.write(house / "zoo" / f"{name}.toml")
        model = hub.load(name, channels=channels, progress=False)
        key = "patch_embed.proj.weight" if name == "vit" else "conv1.weight"
        own = named_weights(model.layers[2])["patch_embedding/kernel" if name == "vit" else "stem_conv/kernel"]
        np.testing.assert_allclose(np.asarray(own).transpose(3, 2, 0, 1), timm(weights[key], channels), rtol=1e-6)
        with pytest.raises(ValueError, match="of another shape.*pass input_shape"):
            hub.load_checkpoint(type(model.layers[2])(**{**architecture["arguments"], "channels": 7}), house / "made")


@pytest.mark.parametrize("wrong", [0, -1, 2.5, "3", True])
def test_a_number_of_channels_is_one(tmp_path, wrong, without_saved_model):
    folder = entry(tmp_path / "rgb", ENCODERS["conv_net"]())
    with pytest.raises(ValueError, match="channels.*Received: channels="):
        hub.load(folder, channels=wrong)
    with pytest.raises(ValueError, match="channels.*Received: channels="):
        ResNet(18, channels=wrong)


def test_heads_are_of_the_entry_s_channels(tmp_path, without_saved_model):
    folder = entry(tmp_path / "rgb", ENCODERS["conv_net"]())
    with pytest.raises(ValueError, match="Received: heads=True, channels=4"):
        hub.load(folder, channels=4, heads=True)


@pytest.mark.parametrize(
    "kind, arguments", [(ResNet, {"depth": 18, "width": 0.0625}), (ViT, {"variant": "Ti", "depth": 1})]
)
def test_encoders_take_a_number_of_channels(kind, arguments):
    encoder = kind(**arguments, input_shape=(32, 32, 3), channels=13)
    assert encoder.input_shape == (None, 32, 32, 13) and encoder.get_config()["channels"] == 13
    again = kind.from_config(encoder.get_config())
    assert again.input_shape == encoder.input_shape and again.count_params() == encoder.count_params()
    same = kind(**arguments, input_shape=(32, 32, 13))
    assert same.count_params() == encoder.count_params() and same.get_config()["channels"] is None
