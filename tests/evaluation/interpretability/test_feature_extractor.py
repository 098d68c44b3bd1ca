"""The recorded size and normalization come into the features, once, and survive saving."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.encoders import ConvNet
from keras_ssl.evaluation import EncoderSpec, FeatureExtractor, image_statistics
from keras_ssl.views import CenterCrop

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, size=(5, 8, 8, 3)).astype("uint8")
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)


@pytest.fixture(scope="module")
def encoder():
    return ConvNet(widths=(4, 8), input_shape=(None, None, 3))


def test_equals_resizing_and_normalizing_by_hand(encoder):
    extractor = FeatureExtractor(encoder, EncoderSpec(size=16, mean=MEAN, std=STD))
    resized = keras.ops.image.resize(IMAGES / np.float32(255), (16, 16), "bilinear")
    by_hand = (keras.ops.convert_to_numpy(resized) - np.float32(MEAN)) / np.float32(STD)
    np.testing.assert_allclose(extractor.spec.preprocess(IMAGES), by_hand, atol=1e-5)
    np.testing.assert_allclose(extractor(IMAGES, batch_size=2), encoder.predict(by_hand, verbose=0), atol=1e-5)
    other = FeatureExtractor(encoder, EncoderSpec(size=16, mean=0.0, std=1.0))
    assert np.abs(other(IMAGES) - extractor(IMAGES)).max() > 1e-3
    native = FeatureExtractor(encoder, EncoderSpec(mean=MEAN, std=STD))
    assert np.abs(native(IMAGES) - extractor(IMAGES)).max() > 1e-3


def test_small_patches_come_to_the_recorded_size_and_large_ones_too():
    spec = EncoderSpec(size=24)
    assert spec.preprocess(np.zeros((1, 32, 32, 3), "uint8")).shape == (1, 24, 24, 3)
    assert spec.preprocess(np.zeros((1, 10, 6, 3), "float32")).shape == (1, 24, 24, 3)
    assert EncoderSpec().preprocess(np.zeros((1, 10, 6, 3), "uint8")).shape == (1, 10, 6, 3)
    constant = spec.preprocess(np.full((1, 7, 5, 3), 0.485, "float32"))
    np.testing.assert_allclose(constant[..., 0], 0, atol=1e-5)


@pytest.mark.parametrize("cut", [{"shorter_side": 20}, {"crop_proportion": 0.5}])
def test_cut_is_that_of_center_crop(cut):
    spec = EncoderSpec(size=16, mean=0.0, std=1.0, interpolation="bicubic", **cut)
    crop = CenterCrop(16, cut.get("shorter_side"), cut.get("crop_proportion"), "bicubic")
    np.testing.assert_allclose(spec.preprocess(IMAGES), crop(IMAGES), atol=1e-6)


def test_prepared_images_are_refused_by_preprocess_and_taken_by_the_extractor(encoder):
    extractor = FeatureExtractor(encoder, EncoderSpec(size=16, mean=0.5, std=5.0))  # all values stay near 0
    prepared = extractor.spec.preprocess(IMAGES)
    with pytest.raises(ValueError, match="Received: images=PreparedImages"):
        extractor.spec.preprocess(prepared)
    with pytest.raises(ValueError, match="Received: images=PreparedImages"):
        extractor.spec.preprocess(prepared[:2])
    np.testing.assert_array_equal(extractor(prepared), extractor(IMAGES))
    with pytest.raises(ValueError, match="Received: images with the value"):
        EncoderSpec().preprocess(np.asarray(EncoderSpec().preprocess(IMAGES)))  # out of [0, 1]


def test_a_saved_spec_gives_the_same_features_bitwise(encoder, tmp_path):
    spec = EncoderSpec(size=16, mean=MEAN, std=STD, crop_proportion=0.9, value_range=(0, 255), bands=("r", "g", "b"))
    spec.save(tmp_path / "spec.json")
    again = EncoderSpec.read(tmp_path / "spec.json")
    assert again == spec
    np.testing.assert_array_equal(FeatureExtractor(encoder, again)(IMAGES), FeatureExtractor(encoder, spec)(IMAGES))


def test_an_entry_of_the_zoo_brings_what_its_card_records(encoder, tmp_path):
    layer = keras_ssl.layers.ImagePreprocessing(MEAN, STD)
    folder = keras_ssl.export(encoder, tmp_path / "entry", preprocessing=layer, image_size=16)
    extractor = FeatureExtractor.load(folder)
    assert extractor.spec == EncoderSpec(size=16, mean=MEAN, std=STD)
    expected = FeatureExtractor(encoder, EncoderSpec(size=16, mean=MEAN, std=STD))(IMAGES)
    np.testing.assert_allclose(extractor(IMAGES), expected, atol=1e-6)
    same_size = RNG.integers(0, 256, size=(3, 16, 16, 3)).astype("uint8")
    np.testing.assert_allclose(
        extractor(same_size), keras_ssl.load(folder).predict(same_size, verbose=0), rtol=1e-5, atol=1e-6
    )
    assert FeatureExtractor.load(folder, size=12).spec.size == 12


def test_published_cards_bring_their_crop():
    spec = EncoderSpec.of_entry("dino_vits16")
    assert (spec.size, spec.shorter_side, spec.interpolation) == (224, 256, "bicubic")
    assert EncoderSpec.of_entry("dino_vits16", size=64).shorter_side is None


def test_bands_are_put_in_order():
    spec = EncoderSpec(mean=0.0, std=1.0, bands=("red", "green", "blue"))
    found = spec.preprocess(np.concatenate([IMAGES, IMAGES[..., :1]], -1), bands=("blue", "green", "red", "infrared"))
    np.testing.assert_array_equal(found, spec.preprocess(IMAGES[..., ::-1]))
    with pytest.raises(ValueError, match="Received: bands="):
        spec.preprocess(IMAGES, bands=("a", "b", "c"))
    with pytest.raises(ValueError, match=r"Received: images.shape=\(5, 8, 8, 1\)"):
        spec.preprocess(IMAGES[..., :1])


@pytest.mark.parametrize("images", [IMAGES, IMAGES[:, :3].astype("float32") / 7])
def test_image_statistics_equal_numpy(images):
    expected = []
    for image in images.astype("float64"):
        bands = [image[..., k].ravel() for k in range(3)]
        means = [band.sum() / band.size for band in bands]
        expected.append(means + [np.sqrt(np.mean((b - m) ** 2)) for b, m in zip(bands, means, strict=True)])
    np.testing.assert_allclose(image_statistics(images), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "Received: size=0"),
        ({"std": (0.1, 0.0, 0.1)}, "Received: std="),
        ({"std": np.nan}, "Received: std=nan"),
        ({"mean": np.inf}, "Received: mean=inf"),
        ({"value_range": (1, 0)}, "Received: value_range="),
        ({"interpolation": "nearest"}, "Received: interpolation='nearest'"),
        ({"shorter_side": 8}, "Received: size=None, shorter_side=8"),
        ({"size": 8, "shorter_side": 9, "crop_proportion": 0.5}, "Received: size=8"),
        ({"size": 8, "crop_proportion": 1.5}, "Received: crop_proportion=1.5"),
        ({"size": 8, "shorter_side": 7}, "Received: shorter_side=7"),
        ({"bands": ("a", "a")}, "Received: bands="),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        EncoderSpec(**options)


def test_refuses_others(encoder):
    for call, message in (
        (lambda: FeatureExtractor(None, EncoderSpec()), "Received: encoder=None"),
        (lambda: FeatureExtractor(encoder, {}), "Received: spec={}"),
        (lambda: image_statistics(np.zeros((2, 3))), r"Received: images.shape=\(2, 3\)"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
