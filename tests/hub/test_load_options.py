"""What `load` can be asked for besides the entry as it is."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.encoders import ConvNet
from keras_ssl.hub import Recipe
from tests.checkpoints.published import resnet, vit, vit_features
from tests.encoders.parity_dino import CASES
from tests.hub.entries import export_quietly, randomise, run
from tests.hub.published_entries import IMAGENET, publish

VIT = {"name": "ViT", "arguments": CASES["dino"][1]}
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="takes long to compile on JAX, where other tests see the same"
)


def pixels(*size):
    return np.random.default_rng(3).integers(0, 256, (2, *size, 3)).astype("uint8")


@on_tensorflow
@pytest.mark.parametrize("image_size, size", [(48, (48, 48)), ((24, 36), (24, 36))])
def test_a_vision_transformer_for_images_of_one_size(house, server, image_size, size):
    weights = vit()
    publish(house, server, "far", {"net.pth": weights}, architecture=VIT)
    model = hub.load("far", image_size=image_size, progress=False)
    assert model.input_shape == (None, *size, 3)
    x = (pixels(*size) / 255 - IMAGENET["mean"]) / IMAGENET["std"]
    np.testing.assert_allclose(run(model, pixels(*size)), vit_features(weights, x, 3, 0.1, False), atol=1e-4)
    with pytest.raises(ValueError, match="shape"):
        model(pixels(32, 32))


@on_tensorflow
def test_poolings_of_a_vision_transformer(house, server):
    publish(house, server, "far", {"net.pth": vit()}, architecture=VIT)
    tokens = run(hub.load("far", pooling=None, progress=False), pixels(32, 32))
    assert tokens.shape == (2, 1 + 64, 24)
    features = {
        kind: run(hub.load("far", pooling=kind), pixels(32, 32)) for kind in ("auto", "class", "mean", "class_mean")
    }
    np.testing.assert_allclose(features["auto"], tokens[:, 0], atol=1e-5)
    np.testing.assert_allclose(features["class"], tokens[:, 0], atol=1e-5)
    np.testing.assert_allclose(features["mean"], tokens[:, 1:].mean(1), atol=1e-5)
    np.testing.assert_allclose(
        features["class_mean"], np.concatenate([features["class"], features["mean"]], 1), atol=1e-5
    )


@on_tensorflow
def test_the_last_feature_map_of_a_resnet(house, server):
    publish(house, server, "far", {"net.pth": resnet()[0]})
    mapped = run(hub.load("far", pooling=None, image_size=64, progress=False), pixels(64, 64))
    assert mapped.shape == (2, 2, 2, 16)
    np.testing.assert_allclose(mapped.mean((1, 2)), run(hub.load("far"), pixels(64, 64)), atol=1e-5)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"pooling": "max"}, "`pooling` must be .*Received: pooling=max"),
        ({"pooling": "class"}, "`pooling` must be .*Received: pooling=class"),
        ({"image_size": 0}, "image_size.*Received: image_size=0"),
        ({"image_size": (32, 0)}, "image_size.*Received: image_size=0"),
        ({"image_size": 1.5}, "image_size.*Received: image_size=1.5"),
        ({"image_size": (8, 8, 3)}, r"a side or \(height, width\). Received: image_size=\(8, 8, 3\)"),
        ({"image_size": "32"}, "a side or .height, width.. Received: image_size='32'"),
        ({"heads": True}, "no heads to go on pretraining with. Received: heads=True, entry='far'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_downloaded(house, server, options, message):
    publish(house, server, "far", {"net.pth": resnet()[0]})
    with pytest.raises(ValueError, match=message):
        hub.load("far", **options)
    assert server.paths == []


def test_an_exported_encoder_for_images_of_one_size(shared_entry, images):
    model = hub.load(shared_entry, image_size=8)
    assert model.input_shape == (None, 8, 8, 3)
    np.testing.assert_allclose(run(model, images), run(hub.load(shared_entry), images), atol=1e-6)
    assert hub.load(shared_entry, image_size=(4, 6), include_preprocessing=False).input_shape == (None, 4, 6, 3)


def flips(x, stream):
    return [x, keras.ops.flip(x, 2)]


def objective():
    return keras_ssl.SimCLR(ConvNet(widths=(4, 8)), projector=(6, 3), temperature=0.3, views=flips)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """An objective with weights that no initializer draws, and the entry that holds it with its heads."""
    model = randomise(objective())
    return model, export_quietly(model, tmp_path_factory.mktemp("zoo") / "whole", heads=True)


def test_pretraining_goes_on_with_the_entry_s_own_objective(trained, images):
    model, path = trained
    again = hub.load(path, heads=True)
    assert type(again) is keras_ssl.SimCLR and again.temperature == 0.3 and again.preprocessing is not None
    np.testing.assert_allclose(run(again, images), run(model, images), atol=1e-6)
    expected = hub.head_weights(model)
    for name, variable in hub.head_weights(again).items():
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(variable), keras.ops.convert_to_numpy(expected[name]))
    plain = hub.load(path, heads=True, include_preprocessing=False)
    assert plain.preprocessing is None
    assert not hub.load(path, heads=True, trainable=False).encoder.trainable_variables


@pytest.mark.usefixtures("without_saved_model")
def test_views_are_those_of_the_recipe(tmp_path):
    recipe = Recipe.read("simclr_digits").override(
        "encoder.widths=[4, 8]", "objective.projector=[6, 3]", "objective.temperature=0.3"
    )
    path = export_quietly(recipe.build_model(), tmp_path / "whole", heads=True, recipe=recipe)
    again = hub.load(path, heads=True)
    assert again.views.get_config() == recipe.build_model().views.get_config()


def test_a_mirror_and_a_cache_may_be_given(house, server):
    publish(house, server, "far", {"net.pth": resnet()[0]})
    server.files["/copy/far/net.pth"] = server.files["/far/net.pth"]
    hub.load("far", mirror=f"{server.address}/copy", cache_dir=house / "own", progress=False)
    assert server.paths == ["/copy/far/net.pth"] and (house / "own" / "far" / "net.pth").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name, side", [("dino_vits16", 224), ("simclr_resnet50", 224)])
def test_the_matching_transform_of_photos_comes_without_a_download(name, side):
    prepare = hub.preprocessing(name, crop=True)
    photo = np.random.default_rng(0).integers(0, 256, (1, 240, 300, 3)).astype("uint8")
    made = keras.ops.convert_to_numpy(prepare(photo))
    assert made.shape == (1, side, side, 3)
    card = hub.catalogue.find(name).read_card()
    unit = keras.ops.convert_to_numpy(card.build_crop()(photo))
    expected = (unit - card.preprocessing["mean"]) / card.preprocessing["std"]
    np.testing.assert_allclose(made, expected, atol=1e-5)


def test_what_the_publisher_does_not_say_must_be_chosen(shared_entry):
    with pytest.raises(ValueError, match="does not say how its publisher interpolates.*Received: interpolation=None"):
        hub.preprocessing("mocov3_resnet50", crop=True)
    crop = hub.preprocessing("mocov3_resnet50", crop=True, interpolation="bicubic").layers[0]
    assert (crop.size, crop.resize, crop.proportion, crop.interpolation) == (224, 256, None, "bicubic")
    with pytest.raises(ValueError, match="does not say how images come to their size. Received: preprocessing="):
        hub.preprocessing(shared_entry, crop=True)
