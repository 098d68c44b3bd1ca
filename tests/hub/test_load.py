import builtins
import os
import pickle

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import hub
from keras_ssl.encoders import ConvNet
from keras_ssl.layers import ImagePreprocessing
from tests.hub.entries import run


def test_it_is_a_plain_functional_model_of_any_image_size(shared_entry, images):
    model = hub.load(shared_entry)
    assert isinstance(model, keras.Model) and [layer.name for layer in model.layers[:2]] == ["images", "preprocessing"]
    assert model.input_shape == (None, None, None, 3) and model.output_shape == (None, 8)
    assert run(model, np.zeros((2, 11, 17, 3), "uint8")).shape == (2, 8)


def test_features_are_those_of_the_encoder(shared_entry, encoder, images):
    expected = run(encoder, ImagePreprocessing()(images))
    np.testing.assert_allclose(run(hub.load(shared_entry), images), expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(hub.load(shared_entry).predict(images, verbose=0), expected, rtol=0, atol=1e-5)


def test_integers_and_floats_in_the_unit_range_are_the_same_images(shared_entry, images):
    model = hub.load(shared_entry)
    unit = (images / 255).astype("float32")
    assert np.abs(run(model, images)).max() > 0.1
    np.testing.assert_allclose(run(model, unit), run(model, images), rtol=1e-5)
    np.testing.assert_allclose(run(model, images.astype("uint16") * 257), run(model, images), rtol=1e-5)
    np.testing.assert_allclose(model.predict(unit, verbose=0), run(model, images), rtol=1e-5)


@pytest.mark.parametrize("trainable", [True, False])
def test_it_fits_in_a_sequential(shared_entry, images, trainable):
    base = hub.load(shared_entry, trainable=trainable)
    model = keras.Sequential([keras.Input((None, None, 3), dtype="uint8"), base, keras.layers.Dense(2)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1e-3), loss)
    before = [np.array(keras.ops.convert_to_numpy(v)) for v in base.weights]
    model.fit(images, np.arange(6) % 2, batch_size=6, epochs=2, verbose=0)
    moved = [
        not np.array_equal(old, keras.ops.convert_to_numpy(new)) for old, new in zip(before, base.weights, strict=True)
    ]
    # Trained: kernels, scales, shifts, and the moving statistics. Frozen: none of them.
    assert moved == [trainable] * len(moved)
    assert len(base.trainable_variables) == (6 if trainable else 0)


def test_without_preprocessing_it_is_the_encoder(shared_entry, images):
    encoder = hub.load(shared_entry, include_preprocessing=False)
    assert type(encoder) is ConvNet
    layer = hub.preprocessing(shared_entry)
    assert isinstance(layer, ImagePreprocessing)
    np.testing.assert_allclose(run(encoder, layer(images)), run(hub.load(shared_entry), images), rtol=1e-6)
    keras_ssl.SimCLR(encoder, projector=(4, 3), views=lambda x, stream: [x, x])  # goes on pretraining


@pytest.mark.parametrize("kept", [0, 100, -1])
def test_a_truncated_file_is_an_error(entry, kept):
    path = entry / "encoder.safetensors"
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match="must have 2640 bytes. Received: path=.*encoder.safetensors"):
        hub.load(entry)
    with pytest.raises(ValueError, match="must have 2640 bytes"):
        hub.load(entry, verify=False)


def test_a_changed_file_is_an_error(entry, images):
    path = entry / "encoder.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="its sha256 must be [0-9a-f]{64}. Received: path=.*with sha256="):
        hub.load(entry)
    assert run(hub.load(entry, verify=False), images).shape == (6, 8)


def test_weights_of_another_architecture_are_an_error(entry):
    card = (entry / "card.toml").read_text()
    (entry / "card.toml").write_text(card.replace("widths = [4, 8]", "widths = [4, 9]"))
    with pytest.raises(ValueError, match="block2_conv/kernel .3, 3, 4, 8. instead of .3, 3, 4, 9."):
        hub.load(entry)


def test_nothing_of_an_entry_is_deserialized(entry, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("code or configuration was loaded")

    for place, name in (
        (keras.saving, "deserialize_keras_object"),
        (keras.saving, "load_model"),
        (pickle, "load"),
        (pickle, "loads"),
        (builtins, "eval"),
    ):
        monkeypatch.setattr(place, name, refuse)
    (entry / "saved_model.pb").unlink(missing_ok=True)
    assert hub.load(entry).built


def test_the_card_cannot_name_a_file_elsewhere(entry):
    card = (entry / "card.toml").read_text()
    (entry / "card.toml").write_text(card.replace('"encoder.safetensors"', '"../encoder.safetensors"'))
    with pytest.raises(ValueError, match="inside the entry's folder"):
        hub.load(entry)


def test_an_entry_without_preprocessing_says_so(entry):
    card = (entry / "card.toml").read_text()
    start, end = card.index("[preprocessing]"), card.index("[results]")
    (entry / "card.toml").write_text(card[:start] + card[end:])
    with pytest.raises(ValueError, match="no preprocessing. Received: name_or_path="):
        hub.preprocessing(entry)
    assert type(hub.load(entry)) is ConvNet


def test_an_unknown_name_or_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="No pretrained encoder has this name.*Received: name_or_path='nothing'"):
        hub.load("nothing")
    with pytest.raises(ValueError, match="not an entry: it has no card.toml"):
        hub.load(tmp_path)


@pytest.mark.parametrize(
    "name, words",
    [
        ("a" * 5000, "No pretrained encoder has this name"),
        ("./nothing", "There is no such folder. Received: name_or_path='./nothing'"),
        ("/nothing/at/all", "There is no such folder."),
        ("no\0thing", "No pretrained encoder"),
        ("barlow_digit", "Closest: barlow_digits"),
        (b"barlow_digit", "Closest: barlow_digits"),
        ("/" + "a" * 5000, "There is no such folder."),
        ("~nosuchuser/x", "There is no such folder."),
    ],
)
def test_what_does_not_exist_is_said_not_to(name, words):
    with pytest.raises(ValueError, match=words) as caught:
        hub.load(name)
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize("kind", ["fifo", "zero", "folder", "missing"])
@pytest.mark.parametrize("name", ["encoder.safetensors", "card.toml"])
def test_files_that_are_none_are_refused_at_once(entry, kind, name):
    path = entry / name
    card = entry / "card.toml"
    card.write_text(
        card.read_text().replace(f"size = {(entry / 'encoder.safetensors').stat().st_size}\n", "size = 0\n")
    )
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "zero":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    with pytest.raises(ValueError, match="Received: "):
        hub.load(entry)
    if name != "card.toml":
        with pytest.raises(ValueError, match="Received: path="):
            hub.load_weights(ConvNet(widths=(4, 8)), path)
        assert {finding.state for finding in hub.verify(entry) if finding.what == name} == {"bad"}


@pytest.mark.parametrize(
    "old, new",
    [
        ("format = 1", "format = " + "9" * 5000),
        ("format = 1", "format = 1\nseed = " + "[" * 20_000),
        ("format = 1", "format = 1\nfiles = 3"),
        ("format = 1", "format = 1\ndata = {a = 1}"),
    ],
)
def test_a_card_that_cannot_be_parsed_is_named(entry, old, new):
    card = entry / "card.toml"
    text = card.read_text()
    card.write_text("\n".join(line for line in text.replace(old, new).splitlines() if line != 'data = "noise"'))
    with pytest.raises(ValueError, match="Received: .*card.toml"):
        hub.load(entry)
