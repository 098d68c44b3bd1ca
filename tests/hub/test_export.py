import shutil
import sys

import keras
import numpy as np
import pytest

from keras_ssl import hub
from keras_ssl.encoders import ConvNet
from keras_ssl.layers import ImagePreprocessing
from keras_ssl.objectives import SimCLR
from keras_ssl.optimizers import LARS
from tests.hub.entries import ON_TENSORFLOW, export_quietly, randomise, run

tensorflow_only = pytest.mark.skipif(not ON_TENSORFLOW, reason="a SavedModel needs the TensorFlow backend")


def two_views(images, stream):
    return [images, images]


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def saved_model(path, training=False):
    import tensorflow as tf

    loaded = tf.saved_model.load(str(path))
    return lambda x: (loaded.train if training else loaded.serve)(x).numpy()


def test_what_is_written(shared_entry):
    weights = ["README.md", "card.toml", "encoder.safetensors", "golden.safetensors"]
    graph = [
        "fingerprint.pb",
        "saved_model.pb",
        "variables/variables.data-00000-of-00001",
        "variables/variables.index",
    ]
    assert names(shared_entry) == sorted(weights + (graph if ON_TENSORFLOW else []))
    card = hub.Card.read(shared_entry / "card.toml")
    assert sorted(file.name for file in card.files) == [name for name in names(shared_entry) if name != "card.toml"]
    for file in card.files:
        assert len(file.read(shared_entry)) == file.size
    page = (shared_entry / "README.md").read_text()
    assert page.startswith("---\nlicense: unknown\nlibrary_name: keras_ssl\n") and "keras_ssl.load('tiny')" in page
    assert "| knn | 0.5 |" in page and "- trained on: noise" in page
    assert card.name == "tiny" and card.data == "noise" and card.results == {"knn": 0.5}
    assert card.saved_model is ON_TENSORFLOW
    assert card.license == ""  # nobody has said it
    assert card.architecture["name"] == "ConvNet" and card.architecture["arguments"]["widths"] == [4, 8]
    assert card.versions["keras"] == keras.__version__
    assert card.versions["backend"] == keras.backend.backend()
    assert [path.name for path in shared_entry.parent.iterdir()] == ["tiny"]


@pytest.mark.usefixtures("without_saved_model")
def test_an_objective_gives_its_encoder_preprocessing_and_arguments(tmp_path, encoder, images):
    preprocessing = ImagePreprocessing(0.4, 0.3)
    model = SimCLR(encoder, projector=(6, 5), temperature=0.3, views=two_views, preprocessing=preprocessing, seed=7)
    export_quietly(model, tmp_path / "e", name="other")
    card = hub.Card.read(tmp_path / "e" / "card.toml")
    assert card.name == "other" and card.seed == 7
    assert card.objective == {
        "name": "SimCLR",
        "arguments": {"projector": [6, 5], "temperature": 0.3, "batch_norm": True},
    }
    assert card.preprocessing == {"mean": 0.4, "std": 0.3, "scale": 255}
    np.testing.assert_allclose(run(hub.load(tmp_path / "e"), images), run(model, images), rtol=0, atol=1e-5)


@pytest.mark.usefixtures("without_saved_model")
def test_a_plain_encoder_gets_what_an_objective_would_give_it(tmp_path):
    export_quietly(ConvNet(widths=(4,), input_shape=(8, 8, 1)), tmp_path / "gray")
    assert hub.Card.read(tmp_path / "gray" / "card.toml").preprocessing == {
        "mean": 0.5, "std": 0.25, "scale": 255, "size": 8,
    }  # fmt: skip
    export_quietly(ConvNet(widths=(4,)), tmp_path / "own", preprocessing=ImagePreprocessing(0.1, 0.2))
    assert hub.preprocessing(tmp_path / "own").mean == 0.1


@pytest.mark.usefixtures("without_saved_model")
def test_the_card_says_what_it_is_told(tmp_path, encoder):
    origin = {"url": "https://example.org/a.pth", "size": 3}
    export_quietly(encoder, tmp_path / "e", image_size=224, origin=origin)
    card = hub.Card.read(tmp_path / "e" / "card.toml")
    assert card.origin == origin and card.preprocessing["size"] == 224
    with pytest.raises(ValueError, match="`origin` must be of type dict"):
        hub.Card(card.name, card.architecture, card.files, origin="a.pth")


@pytest.mark.usefixtures("without_saved_model")
def test_what_was_loaded_can_be_exported_again(tmp_path, shared_entry, images):
    model = hub.load(shared_entry)
    randomise(model.layers[2])
    for variable in model.layers[2].weights:
        variable.assign(variable * 0.5)
    export_quietly(model, tmp_path / "again")
    np.testing.assert_allclose(run(hub.load(tmp_path / "again"), images), run(model, images), atol=1e-5)
    assert hub.preprocessing(tmp_path / "again").mean == hub.preprocessing(shared_entry).mean


def test_weights_are_those_of_float32_whatever_trained_them(tmp_path, images):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        half = randomise(ConvNet(widths=(4, 8)))
        half.trainable = False
        export_quietly(half, tmp_path / "e")
    finally:
        keras.config.set_dtype_policy("float32")
    full = ConvNet(widths=(4, 8))
    full.set_weights(half.get_weights())
    expected = run(full, hub.preprocessing(tmp_path / "e")(images))
    model = hub.load(tmp_path / "e")
    np.testing.assert_allclose(run(model, images), expected, rtol=1e-6)
    assert model.trainable_variables
    if ON_TENSORFLOW:
        np.testing.assert_allclose(saved_model(tmp_path / "e")(images), expected, rtol=1e-5)


@tensorflow_only
def test_the_saved_model_serves_uint8_of_any_number_and_size(shared_entry, images):
    serve, model = saved_model(shared_entry), hub.load(shared_entry)
    large = np.random.default_rng(1).integers(0, 256, (3, 12, 20, 3)).astype("uint8")
    for batch in (images, images[:1], large):
        np.testing.assert_allclose(serve(batch), run(model, batch), atol=1e-5, rtol=0)
    # Dark images are on the 0 to 255 scale too: here the type says so.
    dark = np.ones((2, 8, 8, 3), "uint8")
    np.testing.assert_allclose(serve(dark), run(model, dark / np.float32(255)), atol=1e-5, rtol=0)


@tensorflow_only
def test_the_saved_model_fine_tunes_with_live_batch_statistics(shared_entry, images):
    import tensorflow as tf

    layer = keras.layers.TFSMLayer(str(shared_entry), call_endpoint="serve", call_training_endpoint="train")
    np.testing.assert_allclose(layer(images), run(hub.load(shared_entry), images), atol=1e-5, rtol=0)
    encoder = hub.load(shared_entry).layers[2]
    assert len(layer.trainable_variables) == len(encoder.trainable_variables)
    assert len(layer.weights) == len(encoder.weights)
    with tf.GradientTape() as tape:
        score = tf.reduce_sum(layer(images, training=True) ** 2)
    gradients = tape.gradient(score, [variable.value for variable in layer.trainable_variables])
    assert all(gradient is not None for gradient in gradients)

    before = [np.array(variable) for variable in layer.weights]
    model = keras.Sequential([keras.Input((8, 8, 3), dtype="uint8"), layer, keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(1e-3), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, np.arange(6) % 2, epochs=2, verbose=0)
    moved = [not np.array_equal(old, new) for old, new in zip(before, layer.weights, strict=True)]
    assert all(moved), f"{sum(moved)} of {len(moved)} weights moved"


@tensorflow_only
@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.Adam(1e-3),
        lambda: keras.optimizers.AdamW(1e-3),
        lambda: keras.optimizers.SGD(1e-3, momentum=0.9),
        lambda: LARS(1e-2),
    ],
)
def test_the_saved_model_fine_tunes_with_every_optimizer(shared_entry, images, optimizer, tmp_path):
    layer = hub.SavedModelLayer(shared_entry)
    np.testing.assert_allclose(layer(images), run(hub.load(shared_entry), images), atol=1e-5, rtol=0)
    names = [variable.path for variable in layer.weights]
    assert len(set(names)) == len(names) and not any(":" in name for name in names)
    before = [np.array(variable) for variable in layer.trainable_weights]
    model = keras.Sequential([keras.Input((8, 8, 3), dtype="uint8"), layer, keras.layers.Dense(2)])
    model.compile(optimizer(), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(images, np.arange(6) % 2, epochs=2, verbose=0)
    after = [np.array(variable) for variable in layer.trainable_weights]
    assert all(not np.array_equal(old, new) for old, new in zip(before, after, strict=True))


@tensorflow_only
def test_train_and_serve_differ_by_batch_statistics(entry, images):
    model = hub.load(entry)
    np.testing.assert_allclose(
        saved_model(entry, training=True)(images),
        keras.ops.convert_to_numpy(model(images, training=True)),
        atol=1e-4,
        rtol=0,
    )


@tensorflow_only
def test_an_encoder_of_mirrored_variables(tmp_path, images):
    import tensorflow as tf

    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        model = SimCLR(randomise(ConvNet(widths=(4,))), projector=(6, 5), views=two_views)
    hub.export(model, tmp_path / "e")
    np.testing.assert_allclose(saved_model(tmp_path / "e")(images), run(model, images), atol=1e-5, rtol=0)


@pytest.mark.skipif(ON_TENSORFLOW, reason="the other backend writes a SavedModel")
def test_without_tensorflow_a_warning_says_what_is_missing(tmp_path, encoder):
    with pytest.warns(UserWarning, match="SavedModel is TensorFlow's format.*KERAS_BACKEND=tensorflow"):
        hub.export(encoder, tmp_path / "e")
    assert names(tmp_path / "e") == ["README.md", "card.toml", "encoder.safetensors", "golden.safetensors"]
    assert not hub.Card.read(tmp_path / "e" / "card.toml").saved_model


class Block(keras.layers.Layer):
    """A layer that is not registered, so that Keras does not find its class."""

    def call(self, inputs):
        return 2 * inputs


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Block(), "needs classes that Keras does not know.*Block"),
        (keras.layers.Lambda(lambda inputs: 2 * inputs), "runs code.*Lambda"),
    ],
)
def test_an_encoder_that_cannot_be_rebuilt_is_written_with_the_reason(tmp_path, layer, words):
    inputs = keras.Input((5,))
    foreign = keras.Model(inputs, layer(keras.layers.Dense(3, name="out")(inputs)), name="foreign")
    with pytest.warns(UserWarning, match=f"cannot rebuild this encoder.*{words}.*model.save"):
        hub.export(foreign, tmp_path / "e")
    x = np.random.default_rng(0).normal(size=(4, 5)).astype("float32")
    if ON_TENSORFLOW:
        np.testing.assert_allclose(saved_model(tmp_path / "e")(x), run(foreign, x), atol=1e-6)
    card = hub.Card.read(tmp_path / "e" / "card.toml")
    assert card.architecture == {"name": "Functional", "library": False, "arguments": {}}
    assert card.preprocessing == {}
    with pytest.raises(ValueError, match="not one of keras_ssl.encoders.*load_weights.*TFSMLayer"):
        hub.load(tmp_path / "e")
    copy = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, name="out"), layer])
    hub.load_weights(copy, tmp_path / "e" / "encoder.safetensors")
    np.testing.assert_array_equal(run(copy, x), run(foreign, x))


@pytest.mark.usefixtures("without_saved_model")
def test_a_subclass_of_a_library_encoder_is_of_another_make(tmp_path):
    class Mine(ConvNet):
        pass

    with pytest.warns(UserWarning, match="not one of keras_ssl.encoders.*Mine"):
        hub.export(Mine(widths=(4,)), tmp_path / "e")


@pytest.mark.usefixtures("without_saved_model")
def test_an_existing_folder_is_an_error_before_any_work(entry, encoder, images):
    before = run(hub.load(entry), images)
    with pytest.raises(FileExistsError, match="exists already. Received: path="):
        export_quietly(encoder, entry)
    np.testing.assert_array_equal(run(hub.load(entry), images), before)
    for variable in encoder.weights:
        variable.assign(variable * 0.5)
    export_quietly(encoder, entry, overwrite=True)
    assert not np.allclose(run(hub.load(entry), images), before)
    assert [path.name for path in entry.parent.iterdir()] == ["tiny"]


def test_only_entries_are_overwritten(tmp_path, encoder):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="Only an entry with a card.toml is overwritten"):
        export_quietly(encoder, tmp_path / "thesis", overwrite=True)
    assert names(tmp_path) == ["thesis/chapter.tex"]


@pytest.mark.parametrize("stage", ["save_weights", "load_weights", "versions"])
def test_nothing_half_written_stays_behind(tmp_path, encoder, monkeypatch, stage):
    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr(sys.modules["keras_ssl.hub.export"], stage, fail)
    with pytest.raises(OSError, match="disk full"):
        hub.export(encoder, tmp_path / "a" / "b")
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.usefixtures("without_saved_model")
def test_what_a_card_cannot_hold_is_named(tmp_path, encoder):
    with pytest.raises(ValueError, match="'results.when' must be"):
        hub.export(encoder, tmp_path / "e", results={"when": object()})
    assert list(tmp_path.rglob("*")) == []


def test_bad_models_are_named(tmp_path, encoder, shared_entry):
    with pytest.raises(ValueError, match="`model` must be an SSLModel.*Received: model='x'"):
        hub.export("x", tmp_path / "e")
    with pytest.raises(ValueError, match="`model` must be an SSLModel"):
        hub.export(ConvNet(widths=(4,), pooling=None), tmp_path / "e")
    with pytest.raises(ValueError, match="`preprocessing` goes with a plain encoder"):
        hub.export(hub.load(shared_entry), tmp_path / "e", preprocessing=None)
    with pytest.raises(ValueError, match="ImagePreprocessing or none"):
        hub.export(encoder, tmp_path / "e", preprocessing=keras.layers.Rescaling(1 / 255))
    assert list(tmp_path.rglob("*")) == []


def test_an_entry_can_be_moved(tmp_path, entry, images):
    before = run(hub.load(entry), images)
    shutil.move(entry, tmp_path / "elsewhere")
    np.testing.assert_array_equal(run(hub.load(tmp_path / "elsewhere"), images), before)
