"""A model goes on with images of another size, and what is no data for `fit` is told in a sentence."""

import keras
import numpy as np
import pytest

import keras_ssl

IMAGES = np.random.default_rng(0).integers(0, 256, (8, 24, 24, 3), "uint8")


def model_of(method="SimCLR", **settings):
    views = keras_ssl.views.simclr(size=8, blur=False)
    encoder = keras_ssl.encoders.ConvNet(widths=(4,))
    model = getattr(keras_ssl, method)(encoder, projector=(8, 4), views=views, **settings)
    model.compile("sgd", jit_compile=False)
    return model


def test_fit_goes_on_with_images_of_another_size():
    model = model_of()
    for side in (16, 24, 16):
        images = IMAGES[:, :side, :side]
        history = model.fit(images, batch_size=4, verbose=0, validation_data=IMAGES[:, :20, :20]).history
        assert np.isfinite([history["loss"], history["val_loss"]]).all()
        assert np.isfinite(model.evaluate(images, batch_size=4, verbose=0)).all()
    assert int(model.updates) == 6


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX keeps a program for each shape")
def test_a_step_is_traced_once_for_a_shape(monkeypatch):
    traced = []
    model = model_of()
    embed = type(model).embed
    monkeypatch.setattr(type(model), "embed", lambda self, *given: traced.append(1) or embed(self, *given))
    for _ in range(2):
        model.fit(IMAGES, batch_size=4, epochs=2, verbose=0, validation_data=IMAGES[:, :20, :20])
    assert len(traced) == 2  # of training, and of the validation


@pytest.mark.parametrize("labels", [np.array(["cat", "dog"] * 4), np.array([0, None] * 4, dtype=object)])
def test_labels_that_are_no_numbers(labels):
    model = model_of("SupCon")
    with pytest.raises(
        ValueError, match=r"The field `y` must hold numbers: .*np.unique.*-1 stands for none. Received: y"
    ):
        model.fit(IMAGES, labels, batch_size=4, verbose=0)
    tf = pytest.importorskip("tensorflow")
    if labels.dtype.kind == "U":
        data = tf.data.Dataset.from_tensor_slices({"x": IMAGES, "y": labels}).batch(4)
        with pytest.raises(ValueError, match="The field `y` must hold numbers"):
            model.fit(data, verbose=0)


def test_names_of_folders_and_lists_are_no_data(tmp_path):
    model = model_of()
    for name in ("photos", tmp_path):
        with pytest.raises(ValueError, match=r"keras_ssl.data.from_folder.*Received: x="):
            model.fit(name, batch_size=4)
    with pytest.raises(ValueError, match=r"4 dimensions.*np.stack.*Received: x.shape=\(24, 24, 3\)"):
        model.fit(list(IMAGES), batch_size=4, verbose=0)


def test_a_name_in_other_letters_is_offered():
    for module, name, close in ((keras_ssl, "SimClr", "SimCLR"), (keras_ssl.losses, "nt_xent_los", "nt_xent_loss")):
        with pytest.raises(AttributeError) as caught:
            getattr(module, name)
        assert caught.value.name == name and close in dir(caught.value.obj)


@pytest.mark.parametrize(
    ("argument", "text"),
    [
        ("projectr", "SimCLR has no such argument. Closest: projector. Received: projectr"),
        ("channels", "It knows .*views"),
    ],
)
def test_an_argument_that_is_none(argument, text):
    with pytest.raises(ValueError, match=text):
        keras_ssl.SimCLR(keras_ssl.encoders.ConvNet(widths=(4,)), **{argument: 1})
    assert keras_ssl.SimCLR(keras_ssl.encoders.ConvNet(widths=(4,)), projector=(8, 4), name="mine").name == "mine"
