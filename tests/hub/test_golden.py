import warnings

import keras
import numpy as np
import pytest
from safetensors.numpy import load, save

from keras_ssl import hub
from keras_ssl.encoders import ConvNet, ViT
from keras_ssl.hub.catalogue import find
from keras_ssl.hub.golden import (
    GOLDEN_NAME,
    TOLERANCE,
    features_of,
    golden_bytes,
    golden_error,
    golden_inputs,
    golden_shape,
)
from keras_ssl.layers import ImagePreprocessing
from keras_ssl.random import Stream

SHAPE = (2, 8, 8, 3)


@pytest.fixture
def model(encoder):
    return features_of(encoder, ImagePreprocessing())


def test_inputs_follow_from_shape_and_seed():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = golden_inputs((5, 4, 3), 7)
    words = keras.ops.convert_to_numpy(Stream(7, 0, np.arange(60)).bits())  # as the backend hashes
    np.testing.assert_array_equal(pixels, (words >> 24).astype("uint8").reshape(5, 4, 3))
    assert golden_inputs((1, 2, 2, 1)).ravel().tolist() == [107, 80, 100, 184]
    assert not np.array_equal(golden_inputs((60,), 7), golden_inputs((60,), 8))
    many = golden_inputs((100_000,))
    assert abs(many.mean() - 127.5) < 1 and abs(many.std() - 73.9) < 1
    floats = golden_inputs((5, 4, 3), 7, pixels=False)
    assert floats.dtype == np.float32 and -1 <= floats.min() < -0.9 and 0.9 < floats.max() < 1
    np.testing.assert_allclose((floats + 1) * 128, pixels, atol=1)  # the same bits


def test_shapes_are_those_that_encoders_take(encoder):
    assert golden_shape(encoder) == (2, 32, 32, 3) and golden_shape(encoder, 20) == (2, 20, 20, 3)
    tiny = ViT(patch_size=4, width=8, depth=1, heads=1, image_size=16)
    assert golden_shape(tiny) == (2, 16, 16, 3)
    assert golden_shape(ConvNet(widths=(4,), input_shape=(8, 9, 1)), 20) == (2, 8, 9, 1)


def test_no_weight_can_change_unseen(encoder, model):
    content = golden_bytes(model, SHAPE)
    assert golden_error(model, content) < 1e-6
    assert load(content)["features"].shape == (2, 8) and len(encoder.weights) == 10
    for variable in encoder.weights:
        before = keras.ops.convert_to_numpy(variable)
        changed = before.copy()
        changed[..., -1] *= 1.1
        variable.assign(changed)
        assert golden_error(model, content) > TOLERANCE, variable.path
        variable.assign(before)
    encoder.weights[0].assign(np.full(encoder.weights[0].shape, np.nan))
    assert golden_error(model, content) == np.inf


def test_floats_for_what_takes_no_pixels(encoder):
    content = golden_bytes(features_of(encoder, None), SHAPE, pixels=False)
    assert golden_error(features_of(encoder, None), content, pixels=False) < 1e-6
    assert golden_error(features_of(encoder, None), content, pixels=True) > TOLERANCE


@pytest.mark.parametrize(
    "change",
    [
        {"shape": np.array([2, 10**6, 10**6, 3])},
        {"shape": np.array([2, 0, 8, 3])},
        {"shape": np.zeros((1, 2, 2), "int64")},
        {"shape": np.array([2.5])},
        {"seed": np.array(-1)},
        {"seed": np.array([1, 2])},
        {"features": np.zeros((0, 8), "float32")},
        {"features": None},
    ],
)
def test_a_damaged_file_is_an_error(model, change):
    tensors = {key: value for key, value in (load(golden_bytes(model, SHAPE)) | change).items() if value is not None}
    with pytest.raises(ValueError, match="golden features is damaged.*Received: [0-9]+ bytes"):
        golden_error(model, save(tensors))
    with pytest.raises(ValueError, match="damaged"):
        golden_error(model, b"{")


def test_features_of_another_shape_are_an_error(model):
    content = golden_bytes(model, SHAPE)
    other = features_of(ConvNet(widths=(4,)), ImagePreprocessing())
    with pytest.raises(ValueError, match=r"must be of shape \(2, 8\). Received: features of shape \(2, 4\)"):
        golden_error(other, content)


def test_entries_of_this_version_and_earlier_ones_give_what_they_gave():
    """What ships with the library was written by some version and backend, and must not change in a later one."""
    seen = 0
    for name in hub.list_models():
        entry = find(name)
        if not (entry.folder / GOLDEN_NAME).is_file():
            continue
        model = features_of(hub.load(name, include_preprocessing=False), hub.preprocessing(name))
        assert golden_error(model, (entry.folder / GOLDEN_NAME).read_bytes()) < 1e-5
        seen += 1
    assert seen >= 1
