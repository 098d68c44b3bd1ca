"""`pretrain`, `embed` and `distill` on small data: files, arrays, models of one's own."""

import functools
import os
import shutil

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.workflows import training_run
from keras_ssl.workflows.choices import DataFacts
from keras_ssl.workflows.embed import encoder_of
from keras_ssl.workflows.pretrain import folder_of
from tests.workflows.test_choices import photos

FEW = {"epochs": 1, "batch_size": 8, "verbose": 0}


def own_encoder(width=6):
    layers = [keras.layers.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(width)]
    return keras.Sequential(layers)


@pytest.fixture(scope="module")
def images():
    return keras_ssl.data.colored_digits("train", count=32, size=16)[0]


@pytest.mark.slow
def test_a_folder_to_a_model_to_features(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "photos", 20, (20, 30))
    model = keras_ssl.pretrain("photos", epochs=2, batch_size=8, verbose=0)
    run = tmp_path / "runs" / "photos"
    assert {"recipe.toml", "model.weights.h5", "history.json", "checkpoints"} <= {path.name for path in run.iterdir()}
    assert keras_ssl.Recipe.read(run / "recipe.toml").sections["views"]["size"] == 16
    features = keras_ssl.embed(model, "photos")
    assert features.shape == (20, 128) and np.isfinite(features).all()
    # The folder of the run gives the same features, and the file has the names.
    assert keras_ssl.embed("runs/photos", "photos", out="features.npz") == 20
    saved = np.load("features.npz")
    assert list(saved["names"]) == sorted(path.name for path in (tmp_path / "photos").iterdir())
    np.testing.assert_allclose(saved["features"], features, atol=1e-5)
    # The same call loads what is finished, another one is refused.
    capsys.readouterr()
    again = keras_ssl.pretrain("photos", epochs=2, batch_size=8, verbose=0)
    assert "The run is finished: it is loaded" in capsys.readouterr().out
    np.testing.assert_allclose(keras_ssl.embed(again, "photos"), features, atol=1e-5)
    with pytest.raises(ValueError, match="`out` holds a finished run"):
        keras_ssl.pretrain("photos", epochs=3, batch_size=8, verbose=0)


@pytest.mark.slow
def test_an_encoder_of_ones_own_is_trained_itself(tmp_path, images):
    encoder = own_encoder()
    before = encoder.get_weights()
    model = keras_ssl.pretrain(images, out=tmp_path / "run", encoder=encoder, **FEW)
    assert model.encoder is encoder and np.abs(before[0] - encoder.get_weights()[0]).max() > 0
    assert not (tmp_path / "run" / "recipe.toml").exists() and (tmp_path / "run" / "model.weights.h5").exists()


@pytest.mark.slow
def test_distill_into_a_model_of_ones_own(tmp_path, images):
    student = own_encoder()
    model = keras_ssl.distill("barlow_digits", student, images, out=tmp_path / "run", **FEW)
    assert model.encoder is student and model.get_config()["queue_size"] == 16
    assert keras_ssl.embed(model, images).shape == (32, 6)


@pytest.mark.slow
def test_a_smoke_test_takes_two_batches(tmp_path, images):
    model = keras_ssl.pretrain(images, out=tmp_path / "run", batch_size=4, smoke=True, verbose=0)
    assert int(model.updates) == 2


def test_data_in_memory_need_a_folder(images):
    with pytest.raises(ValueError, match="`out` must name a folder for data in memory"):
        keras_ssl.pretrain(images)


def test_embeds_by_name_by_model_and_in_any_batch(images):
    features = keras_ssl.embed("barlow_digits", images)
    model = keras_ssl.load("barlow_digits")
    np.testing.assert_allclose(keras_ssl.embed(model, images, batch_size=5), features, atol=1e-5)
    batches = keras_ssl.data.from_arrays(images, batch_size=10)
    np.testing.assert_allclose(keras_ssl.embed(model, batches), features, atol=1e-5)


def test_the_size_of_training_is_known():
    assert encoder_of("barlow_digits")[1].size == 16
    assert encoder_of(own_encoder())[1].size == 16


def test_embed_writes_arrays(tmp_path, images):
    assert keras_ssl.embed("barlow_digits", images, out=tmp_path / "f.csv") == 32
    assert (tmp_path / "f.csv").read_text().startswith("name,0,1,")


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        ("barlow_digit", np.zeros((2, 16, 16, 3), "uint8"), "Closest: barlow_digits"),
        ("barlow_digits", "nowhere", "Received: data='nowhere'"),
    ],
)
def test_refuses(model, data, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.embed(model, data)


def test_refuses_a_teacher_that_is_none(images, tmp_path):
    with pytest.raises(ValueError, match="Closest: barlow_digits"):
        keras_ssl.distill("barlow_digit", own_encoder(), images, out=tmp_path, **FEW)


@pytest.mark.slow
def test_a_dataset_of_tf_data_is_read_as_its_images(tmp_path, images):
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices((images, np.arange(len(images)))).batch(5)
    models = [keras_ssl.pretrain(x, out=tmp_path / name, **FEW) for name, x in (("a", data), ("b", images))]
    np.testing.assert_array_equal(*[model.encoder.get_weights()[0] for model in models])
    np.testing.assert_array_equal(*[keras_ssl.embed(models[0], x) for x in (data, images)])


@pytest.mark.slow
def test_a_table_of_paths_is_read_as_its_files(tmp_path, monkeypatch):
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "photos", 20, (16, 16))
    names = sorted(path.name for path in (tmp_path / "photos").iterdir())
    parquet.write_table(arrow.table({"path": [f"photos/{name}" for name in names]}), "list.parquet")
    models = [keras_ssl.pretrain(data, **FEW) for data in ("photos", "list.parquet")]
    assert (tmp_path / "runs" / "list" / "recipe.toml").exists()
    np.testing.assert_array_equal(*[model.encoder.get_weights()[0] for model in models])
    np.testing.assert_array_equal(*[keras_ssl.embed(models[0], data) for data in ("photos", "list.parquet")])


def test_a_smoke_test_leaves_the_place_of_the_run_free(tmp_path, monkeypatch):
    """`keras-ssl pretrain photos/` follows on `--smoke`, as the guide says: two batches are no finished run."""
    monkeypatch.chdir(tmp_path)
    facts = DataFacts("photos/", 100, 64, True)
    (tmp_path / "photos").mkdir()
    places = [folder_of(facts, None, smoke) for smoke in (False, True)]
    assert places == [os.path.join("runs", "photos"), os.path.join("runs", "photos_smoke")]
    assert folder_of(facts, "own", smoke=True) == "own"
    with pytest.raises(ValueError, match="Received: out=None"):
        folder_of(DataFacts(None, 100, 64, False), None, smoke=True)


@pytest.mark.parametrize("kind", ["pretrain", "distill"])
def test_too_many_damaged_files_and_the_remedy(tmp_path, monkeypatch, kind):
    """The share that is allowed is an argument of whatever reads files, and the recipe keeps it for `embed`."""
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "photos", 20, (20, 30))
    for number in range(3):
        (tmp_path / "photos" / f"bad{number}.jpg").write_bytes(b"no image")
    trainer = keras_ssl.pretrain
    if kind == "distill":
        trainer = functools.partial(keras_ssl.distill, "barlow_digits", own_encoder())
    with pytest.raises(ValueError, match=r"3 of 23 .* or leave them out by `max_damaged=0.14`"):
        trainer("photos", image_size=16, **FEW)
    with pytest.warns(UserWarning, match="3 of 23"):
        model = trainer("photos", image_size=16, max_damaged=0.14, **FEW)
    if kind == "pretrain":
        with pytest.warns(UserWarning, match="3 of 23"):
            assert len(keras_ssl.embed("runs/photos", "photos")) == 20  # the share of its training
    with pytest.raises(ValueError, match="max_damaged=0.14"):
        keras_ssl.embed(model, "photos")
    with pytest.raises(ValueError, match="`max_damaged` is for images in files.*max_damaged=0.1"):
        trainer(np.zeros((20, 16, 16, 3), "uint8"), out="other", max_damaged=0.1, **FEW)


def test_finding_and_choosing_leave_damaged_files_out_too(tmp_path):
    photos(tmp_path / "photos", 20, (20, 30))
    (tmp_path / "photos" / "bad.jpg").write_bytes(b"no image")
    for work in (
        functools.partial(keras_ssl.workflows.find_duplicates, tmp_path / "photos"),
        functools.partial(keras_ssl.workflows.choose_labels, tmp_path / "photos", "barlow_digits", 3),
        functools.partial(keras_ssl.embed, "barlow_digits", tmp_path / "photos"),
    ):
        with pytest.raises(ValueError, match="1 of 21 .* by `max_damaged=0.05`"):
            work()
        with pytest.warns(UserWarning, match="'bad.jpg'"):
            work(max_damaged=0.05)


@pytest.mark.slow
def test_distill_leaves_the_folder_of_pretrain_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photos(tmp_path / "photos", 20, (16, 16))
    keras_ssl.pretrain("photos", **FEW)
    keras_ssl.distill("barlow_digits", "ConvNet", "photos", **FEW)
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["photos", "photos_distilled"]


@pytest.mark.slow
def test_distill_takes_a_dataset_of_tf_data(tmp_path, images):
    tf = pytest.importorskip("tensorflow")
    data = tf.data.Dataset.from_tensor_slices(images).batch(8)
    model = keras_ssl.distill("barlow_digits", own_encoder(), data, out=tmp_path / "run", **FEW)
    assert int(model.updates) == 4


def test_a_disk_without_room_for_the_weights_keeps_the_training(tmp_path, images, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
        with pytest.raises(
            OSError, match=r"training is done.*weights.h5 \(No space left on device: \d+ bytes.*Make room"
        ):
            keras_ssl.pretrain(images, out=tmp_path / "run", encoder=own_encoder(), **FEW)
    assert not list((tmp_path / "run").glob("*weights.h5")) and list((tmp_path / "run" / "checkpoints").iterdir())
    model = keras_ssl.pretrain(images, out=tmp_path / "run", encoder=own_encoder(), **FEW)
    assert (tmp_path / "run" / "model.weights.h5").exists() and int(model.updates) > 0


def test_a_long_training_says_once_how_long(capsys, monkeypatch):
    clock = iter([0.0, 100.0, 140.0, 200.0, 260.0])
    monkeypatch.setattr(training_run.time, "perf_counter", lambda: next(clock))
    callback = training_run._TimeLeft(epochs=11)
    for epoch in range(5):
        callback.on_epoch_begin(epoch)
    told = capsys.readouterr().out
    assert told.count("An epoch takes 40 s: about 6 minutes for the other 9.") == 1  # not the first, which compiles
    clock = iter([0.0, 100.0, 110.0])
    callback = training_run._TimeLeft(epochs=11)
    for epoch in range(3):
        callback.on_epoch_begin(epoch)
    assert capsys.readouterr().out == ""
