"""Encoders of any make as entries: exported, verified, published, loaded; and files that someone else wrote."""

import json

import keras
import numpy as np
import pytest

from keras_ssl import hub
from keras_ssl.encoders import ConvNet
from keras_ssl.hub.architecture_file import architecture_bytes, build_architecture, needed_modules
from keras_ssl.hub.component_from_text import component_from_text
from keras_ssl.layers.layer_scale import LayerScale
from tests.hub.entries import export_quietly, randomise, run

pytestmark = pytest.mark.usefixtures("without_saved_model")


@keras.saving.register_keras_serializable(package="tests")
class Tower(keras.Model):
    """A subclassed model with a configuration of its own."""

    def __init__(self, width, **kwargs):
        super().__init__(**kwargs)
        self.width = width
        self.conv = keras.layers.Conv2D(width, 3, name="conv")
        self.norm = keras.layers.BatchNormalization(name="norm")
        self.pool = keras.layers.GlobalAveragePooling2D(name="pool")

    def call(self, inputs, training=None):
        return self.pool(self.norm(self.conv(inputs), training=training))

    def get_config(self):
        return {**super().get_config(), "width": self.width}


def functional():
    inputs = keras.Input((None, None, 3))
    inner = keras.Sequential(
        [keras.layers.Conv2D(4, 3, name="a"), keras.layers.BatchNormalization(name="b")], name="inner"
    )
    maps = LayerScale(name="scale")(inner(inputs))
    both = keras.layers.Concatenate()([maps, inner(inputs)])
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(both))


def tower():
    model = Tower(5)
    model(np.zeros((1, 32, 32, 3), "float32"))
    return model


MAKES = {
    "functional": functional,
    "registered subclass": tower,
    "keras.applications": lambda: component_from_text("encoder", "keras.applications.MobileNetV2 alpha=0.35"),
}


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), "uint8")


@pytest.mark.parametrize("make", MAKES)
def test_an_encoder_of_any_make_comes_back(tmp_path, images, make):
    encoder = MAKES[make]()
    if make != "keras.applications":
        randomise(encoder)
    export_quietly(encoder, tmp_path / "e", image_size=32)
    expected = run(encoder, hub.preprocessing(tmp_path / "e")(images))
    card = hub.Card.read(tmp_path / "e" / "card.toml")
    assert card.architecture["file"] == "architecture.json" and not card.architecture["library"]
    assert card.architecture.get("code", []) == {
        "functional": ["keras_ssl.layers.layer_scale"], "registered subclass": [Tower.__module__],
    }.get(make, [])  # fmt: skip
    loaded = hub.load(tmp_path / "e")
    np.testing.assert_allclose(run(loaded, images), expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())
    assert {finding.state for finding in hub.verify(tmp_path / "e")} == {"ok"}
    export_quietly(loaded, tmp_path / "again")
    np.testing.assert_array_equal(run(hub.load(tmp_path / "again"), images), run(loaded, images))
    hub.publish(tmp_path / "site", [tmp_path / "e"])
    np.testing.assert_array_equal(run(hub.load(tmp_path / "site" / "e"), images), run(loaded, images))


def test_it_is_rebuilt_in_float32(tmp_path, images):
    inputs = keras.Input((None, None, 3))
    maps = keras.layers.Conv2D(4, 3, dtype="mixed_bfloat16")(inputs)
    encoder = keras.Model(inputs, keras.layers.GlobalAveragePooling2D(dtype="mixed_bfloat16")(maps))
    export_quietly(encoder, tmp_path / "e")
    loaded = hub.load(tmp_path / "e")
    features = loaded(images)
    assert keras.backend.standardize_dtype(features.dtype) == "float32"
    assert all(layer.compute_dtype == "float32" for layer in loaded.layers[2].layers)


def test_an_objective_trains_it_and_a_student_is_made_by_name(tmp_path, images):
    from keras_ssl.objectives import SimCLR

    model = SimCLR(component_from_text("encoder", "keras.applications.MobileNetV2 alpha=0.35"), projector=(6, 5))
    model.compile("adam")
    model.fit(images, batch_size=3, verbose=0)
    export_quietly(model, tmp_path / "e")
    np.testing.assert_allclose(run(hub.load(tmp_path / "e"), images), run(model, images), rtol=1e-4, atol=1e-5)


def test_names_of_applications_know_their_arguments():
    with pytest.raises(ValueError, match="keras.applications.MobileNetV2"):
        component_from_text("encoder", "keras.applications.MobileNetv2")
    with pytest.raises(ValueError, match="no setting 'weights'.*knows .*alpha"):
        component_from_text("encoder", "keras.applications.MobileNetV2 weights=imagenet")


def test_other_sizes_and_pooling_are_for_encoders_of_the_library(tmp_path):
    export_quietly(functional(), tmp_path / "e")
    with pytest.raises(ValueError, match="Only an encoder of keras_ssl.encoders.*Received: pooling"):
        hub.load(tmp_path / "e", pooling=None)


def test_library_encoders_inside_of_a_functional_model(tmp_path, images):
    inputs = keras.Input((32, 32, 3))
    encoder = keras.Model(inputs, keras.layers.Dense(3)(ConvNet(widths=(4,), input_shape=(32, 32, 3))(inputs)))
    export_quietly(encoder, tmp_path / "e")
    assert run(hub.load(tmp_path / "e"), images).shape == (3, 3)


def changed(change):
    config = json.loads(architecture_bytes(functional()))
    change(config)
    return json.dumps(config).encode()


def layer_of(config, place=1):
    return config["config"]["layers"][place]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\x80\x04", "must be JSON"),
        (b"[" * 100_000, "must be JSON"),
        (b"[1]", "must be the table of a model"),
        (b"{}", "must be|Could not|class_name"),
        (b'{"class_name": 3}', "by texts"),
        (lambda config: layer_of(config).update(class_name="Lambda"), "runs code"),
        (lambda config: layer_of(config).update(class_name="TFSMLayer"), "runs code"),
        (lambda config: layer_of(config).update(class_name="__lambda__"), "runs code"),
        (lambda config: layer_of(config).update(module="os", class_name="system"), "needs classes"),
        (lambda config: layer_of(config).update(module="mine.models", registered_name="mine>B"), "mine>B.*mine.models"),
        (lambda config: layer_of(config).update(class_name="Dance"), "Dance"),
        (lambda config: layer_of(config).update(config=3), "config|table|int"),
    ],
)  # fmt: skip
def test_files_that_others_wrote_are_refused(tmp_path, content, words):
    if callable(content):
        content = changed(content)
    folder = export_quietly(functional(), tmp_path / "e")
    text = (folder / "card.toml").read_text()
    old = next(file for file in hub.Card.read(folder / "card.toml").files if file.name == "architecture.json")
    (folder / "architecture.json").write_bytes(content)
    new = type(old).of(folder / "architecture.json", folder)
    text = text.replace(old.sha256, new.sha256).replace(f"size = {old.size}\n", f"size = {new.size}\n")
    (folder / "card.toml").write_text(text)
    with pytest.raises(ValueError, match=words):
        hub.load(folder)


def test_a_changed_architecture_is_an_error(tmp_path):
    folder = export_quietly(functional(), tmp_path / "e")
    content = (folder / "architecture.json").read_bytes()
    (folder / "architecture.json").write_bytes(content.replace(b"inner", b"innex"))
    with pytest.raises(ValueError, match="not the one that its card describes.*architecture.json"):
        hub.load(folder)
    assert {"bad"} <= {finding.state for finding in hub.verify(folder)}


def test_modules_outside_of_keras_are_named():
    assert needed_modules(json.loads(architecture_bytes(tower()))) == [Tower.__module__]
    assert build_architecture(architecture_bytes(tower())).width == 5
