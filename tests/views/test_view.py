import json

import keras
import numpy as np
import pytest

from keras_ssl.views import Identity, MultiView, RandomApply, RandomFlip, Solarize, View
from keras_ssl.views.view import deserialize_view, serialize_view, to_unit_float


@keras.saving.register_keras_serializable(package="tests")
class Brighten(View):
    def __init__(self, amount=0.1):
        self.amount = amount

    def apply(self, images, stream):
        return images + self.amount

    def get_config(self):
        return {**super().get_config(), "amount": self.amount}


class Unregistered(View):
    pass


def test_uint8_is_divided_by_255(golden, see):
    got = see(Identity(), golden["images"])
    assert got.dtype == "float32"
    np.testing.assert_allclose(got, golden["images"] / 255.0, atol=1e-7)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_keep_their_values(see, dtype):
    images = np.linspace(-2, 3, 12).reshape(1, 2, 2, 3).astype(dtype)
    got = see(Identity(), images)
    assert got.dtype == "float32"
    np.testing.assert_array_equal(got, images.astype("float32"))


def test_lists_are_taken(see):
    assert see(Identity(), [[[[0.25]]]]).shape == (1, 1, 1, 1)


@pytest.mark.parametrize("shape", [(8, 8, 3), (1, 1, 8, 8, 3), ()])
def test_wrong_rank(shape):
    with pytest.raises(ValueError, match=r"`images` must be a batch \[N, H, W, C\].*Received: images.shape"):
        to_unit_float(np.zeros(shape, "float32"))


@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_wrong_dtype(dtype):
    with pytest.raises(ValueError, match=f"must be uint8.*uint16.*Received: images.dtype={dtype}"):
        to_unit_float(np.zeros((1, 2, 2, 3), dtype))


def test_apply_must_be_written(see):
    with pytest.raises(NotImplementedError, match="Unregistered must define `apply"):
        see(Unregistered(), np.zeros((1, 2, 2, 3), "uint8"))


def test_equality_hash_and_repr():
    assert Brighten(0.2) == Brighten(0.2) != Brighten(0.3)
    assert RandomFlip() != Identity() and Identity() != "Identity()"
    assert len({Brighten(0.2), Brighten(0.2), Brighten(0.3)}) == 2
    assert repr(Brighten(0.2)) == "Brighten(amount=0.2)"
    assert MultiView([RandomFlip(0.2)]) == MultiView([RandomFlip(0.2)]) != MultiView([RandomFlip(0.3)])


def test_nested_views_survive_json():
    view = MultiView([RandomApply(Brighten(0.3), 0.4), Solarize(0.6)])
    assert deserialize_view(json.loads(json.dumps(serialize_view(view)))) == view


def test_keras_own_serialization():
    view = MultiView([RandomApply(Brighten(0.3), 0.4), Solarize(0.6)])
    config = keras.saving.serialize_keras_object(view)
    assert keras.saving.deserialize_keras_object(config) == view


@pytest.mark.parametrize("name", ["Unregistered", "keras_ssl>Nothing", "Dense"])
def test_only_registered_views_are_made(name):
    with pytest.raises(ValueError, match=f"must be registered.*class_name='{name}'"):
        deserialize_view({"class_name": name, "config": {}})
