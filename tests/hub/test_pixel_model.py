"""What `load` gives sees the type of the images, like every other form of the same encoder."""

import importlib.util

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.encoders import ConvNet
from keras_ssl.layers import ImagePreprocessing
from tests.hub.entries import ON_TENSORFLOW, export_quietly, randomise, run

RNG = np.random.default_rng(0)
BRIGHT = RNG.integers(0, 256, (3, 8, 8, 3)).astype("uint8")
DARK = RNG.integers(0, 3, (3, 8, 8, 3)).astype("uint8")
BATCHES = {
    "black": np.zeros((2, 8, 8, 3), "uint8"),
    "ones": np.ones((2, 8, 8, 3), "uint8"),
    "dark": DARK,
    "bright": BRIGHT,
    "mixed": np.concatenate([DARK, BRIGHT, np.zeros((1, 8, 8, 3), "uint8")]),
}
RANGE = (-1024.0, 3071.0)
CONVERTER = "tf2onnx" if ON_TENSORFLOW else "jax2onnx"  # by which Keras writes ONNX
needs_tensorflow = pytest.mark.skipif(not ON_TENSORFLOW, reason="a SavedModel is TensorFlow's")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pixels") / "entry"
    export_quietly(randomise(ConvNet(widths=(4, 8), input_shape=(8, 8, 3))), folder)
    return folder


@pytest.fixture
def model(written):
    return hub.load(written)


def expected(images, entry):
    """The features by the entry's encoder, the pixels scaled here."""
    encoder = hub.load(entry, include_preprocessing=False)
    mean, std = hub.preprocessing(entry).mean, hub.preprocessing(entry).std
    return run(encoder, ((images / 255.0 - mean) / std).astype("float32"))


FORMS = {
    "uint8": lambda x: x,
    "uint16": lambda x: x.astype("uint16") * 257,
    "float32": lambda x: (x / 255).astype("float32"),
    "float64": lambda x: x / 255,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("batch", BATCHES)
def test_every_type_and_batch_gives_the_features_of_the_images(model, written, batch, form):
    x = BATCHES[batch]
    right = expected(x, written)
    features = model.predict(FORMS[form](x), verbose=0)
    np.testing.assert_allclose(features, right, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(run(model, FORMS[form](x)), right, rtol=1e-4, atol=1e-5)
    alone = [model.predict(FORMS[form](x[place : place + 1]), verbose=0) for place in range(len(x))]
    np.testing.assert_allclose(np.concatenate(alone), features, rtol=1e-5, atol=1e-6)


@needs_tensorflow
@pytest.mark.parametrize("route", ["entry", "export"])
def test_what_serves_gives_the_same(model, written, route, tmp_path):
    import tensorflow as tf

    if route == "export":
        model.export(tmp_path / "served", verbose=False)
    served = tf.saved_model.load(str(written if route == "entry" else tmp_path / "served"))
    for x in BATCHES.values():
        np.testing.assert_allclose(
            model.predict(x, verbose=0), served.serve(tf.constant(x)).numpy(), rtol=1e-5, atol=1e-6
        )


@needs_tensorflow
def test_lite_takes_uint8(model, tmp_path):
    import tensorflow as tf

    model.export(tmp_path / "model.tflite", format="litert", verbose=False)
    lite = tf.lite.Interpreter(str(tmp_path / "model.tflite"))
    place = lite.get_input_details()[0]
    assert place["dtype"] is np.uint8
    for x in BATCHES.values():
        lite.resize_tensor_input(place["index"], x.shape)
        lite.allocate_tensors()
        lite.set_tensor(place["index"], x)
        lite.invoke()
        features = lite.get_tensor(lite.get_output_details()[0]["index"])
        np.testing.assert_allclose(features, model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(importlib.util.find_spec(CONVERTER) is None, reason=f"needs {CONVERTER}")
def test_onnx_takes_uint8(model, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    model.export(tmp_path / "model.onnx", format="onnx", verbose=False)
    session = runtime.InferenceSession(str(tmp_path / "model.onnx"))
    assert session.get_inputs()[0].type == "tensor(uint8)"
    for x in BATCHES.values():
        (features,) = session.run(None, {session.get_inputs()[0].name: x})
        np.testing.assert_allclose(features, model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


def around(base, dtype):
    images = keras.Input((8, 8, 3), dtype=dtype)
    return keras.Model(images, keras.layers.Identity()(base(images)))


def test_a_model_around_it_keeps_the_type_that_its_input_has(model, written):
    x = BATCHES["mixed"]
    right = expected(x, written)
    np.testing.assert_allclose(around(model, "uint8").predict(x, verbose=0), right, rtol=1e-4, atol=1e-5)
    with pytest.warns(UserWarning, match=r'keras.Input\(shape, dtype="uint8"\).*Received: images.dtype=float32'):
        floats = around(model, "float32")
    np.testing.assert_allclose(floats.predict(FORMS["float32"](x), verbose=0), right, rtol=1e-4, atol=1e-5)
    assert np.isnan(floats.predict(BRIGHT, verbose=0)).all()  # cast to 0 to 255 on the way
    inner = keras.Model(model.input, model.output)
    np.testing.assert_allclose(inner.predict(FORMS["float32"](x), verbose=0), right, rtol=1e-4, atol=1e-5)
    assert np.isnan(inner.predict(BRIGHT, verbose=0)).all()


@pytest.mark.parametrize("kind", ["clone", "file"])
def test_a_copy_is_the_same(model, kind, tmp_path):
    if kind == "clone":
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
    else:
        model.save(tmp_path / "model.keras")
        copy = keras.saving.load_model(tmp_path / "model.keras")
    assert type(copy) is type(model)
    x = BATCHES["mixed"]
    np.testing.assert_allclose(copy.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-5, atol=1e-6)


def test_it_can_be_exported_again(model, written, tmp_path):
    export_quietly(model, tmp_path / "again")
    again = hub.load(tmp_path / "again").predict(DARK, verbose=0)
    np.testing.assert_allclose(again, model.predict(DARK, verbose=0), rtol=1e-5, atol=1e-6)


def test_values_outside_are_refused_or_nan(model):
    bad = FORMS["float32"](BRIGHT)
    bad[1, 0, 0, 0] = 1.5
    for call in (lambda: model.predict(bad, verbose=0), lambda: model(bad)):
        with pytest.raises(ValueError, match=r"divide.*Received: .* with the value 1.5 in sample 1"):
            call()
    for call in (lambda: model.predict(BRIGHT[0], verbose=0), lambda: model(BRIGHT[0])):
        with pytest.raises(ValueError, match=r"must be a batch, of 4 dimensions.*\[None\]"):
            call()
    features = run(model, keras.ops.convert_to_tensor(bad))
    assert np.isnan(features).all(axis=1).tolist() == [False, True, False]
    for dtype in ("int32", "bool"):
        with pytest.raises(ValueError, match=f"cast them to uint8.*Received: images.dtype={dtype}"):
            model.predict(BRIGHT.astype(dtype), verbose=0)
        with pytest.raises(ValueError, match=f"cast them to uint8.*Received: images.dtype={dtype}"):
            model(keras.ops.convert_to_tensor(BRIGHT.astype(dtype)))


class TestDeclaredRange:
    @pytest.fixture(scope="class")
    def scans(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("scans") / "entry"
        net = randomise(ConvNet(widths=(4, 8), input_shape=(8, 8, 3)))
        export_quietly(net, folder, preprocessing=ImagePreprocessing(0.4, 0.2, value_range=RANGE))
        return folder

    def test_it_is_in_the_card_and_survives_load(self, scans):
        assert "scale = [-1024.0, 3071.0]" in (scans / "card.toml").read_text()
        model = hub.load(scans)
        unit = RNG.random((3, 8, 8, 3))
        x = np.round(RANGE[0] + (RANGE[1] - RANGE[0]) * unit)
        encoder = hub.load(scans, include_preprocessing=False)
        right = run(encoder, (((x - RANGE[0]) / (RANGE[1] - RANGE[0]) - 0.4) / 0.2).astype("float32"))
        for dtype in ("int16", "int32", "float32"):
            np.testing.assert_allclose(model.predict(x.astype(dtype), verbose=0), right, rtol=1e-4, atol=1e-4)
        with pytest.raises(ValueError, match=r"`value_range`, \(-1024, 3071\). Received: x with the value 4000"):
            model.predict(np.full((1, 8, 8, 3), 4000, "int16"), verbose=0)
        if ON_TENSORFLOW:
            import tensorflow as tf

            served = tf.saved_model.load(str(scans))
            features = served.serve(tf.constant(x.astype("float32"))).numpy()
            np.testing.assert_allclose(features, right, rtol=1e-4, atol=1e-4)
            x[1, 0, 0, 0] = 4000.0
            features = served.serve(tf.constant(x.astype("float32"))).numpy()
            assert np.isnan(features).all(axis=1).tolist() == [False, True, False]

    def test_a_model_that_was_trained_so_exports_it(self, tmp_path):
        net = ConvNet(widths=(4, 8), input_shape=(8, 8, 3))
        export_quietly(keras_ssl.SimCLR(net, projector=(4, 3), value_range=(0, 4095)), tmp_path / "e")
        assert hub.load(tmp_path / "e").value_range == (0.0, 4095.0)

    @pytest.mark.parametrize("scale", ["1", "[1, 0]", '"uint8"', "[0]"])
    def test_a_card_of_another_scale_is_an_error(self, scans, scale, tmp_path):
        text = (scans / "card.toml").read_text().replace("scale = [-1024.0, 3071.0]", f"scale = {scale}")
        (tmp_path / "card.toml").write_text(text)
        with pytest.raises(ValueError, match="scale` must be 255.*Received: scale="):
            hub.card.Card.read(tmp_path / "card.toml")


def test_the_shipped_encoder_knows_dark_images():
    model = keras_ssl.load("barlow_digits")
    dark = np.random.default_rng(0).integers(0, 3, (1, 16, 16, 3)).astype("uint8")
    bright = np.random.default_rng(1).integers(0, 256, (3, 16, 16, 3)).astype("uint8")
    features = model.predict(dark, verbose=0)
    np.testing.assert_allclose(model.predict(np.concatenate([dark, bright]), verbose=0)[:1], features, atol=1e-5)
    np.testing.assert_allclose(model.predict((dark / 255).astype("float32"), verbose=0), features, atol=1e-4)
