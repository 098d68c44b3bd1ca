"""The library's own data sets are taken wherever images are: in order, every sample once, with their labels."""

import csv
import os

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.callbacks import OnlineKNN, OnlineLinearProbe, OnlineRankMe
from keras_ssl.data import from_arrays, from_folder, from_tfrecords, identity_pairs, write_tfrecords
from keras_ssl.evaluation import extract_features, knn_accuracy, save_features

COUNT, SIDE = 22, 8
PIXELS = np.random.default_rng(0).integers(0, 256, (COUNT, SIDE, SIDE, 3), dtype=np.uint8)
LABELS = np.arange(COUNT) % 2


@pytest.fixture(scope="module")
def model():
    return keras.Sequential(
        [keras.layers.Input((SIDE, SIDE, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    )


@pytest.fixture(scope="module")
def objective():
    return keras_ssl.SimCLR(
        keras_ssl.encoders.ConvNet((4,), input_shape=(SIDE, SIDE, 3)),
        projector=(4,),
        views=lambda x, stream: [x, x],
    )


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of two classes, one named in Latin-1; the images in the order of the files."""
    image = pytest.importorskip("PIL.Image")
    root = tmp_path_factory.mktemp("photos")
    for number, (pixels, label) in enumerate(zip(PIXELS, LABELS, strict=True)):
        folder = os.path.join(root, os.fsdecode([b"ant", b"caf\xe9"][label]))
        os.makedirs(folder, exist_ok=True)
        image.fromarray(pixels).save(os.path.join(folder, f"{number:02d}.png"))
    order = np.argsort(LABELS, kind="stable")
    return root, PIXELS[order], LABELS[order]


def data_sets(photos, tmp_path):
    pytest.importorskip("tensorflow")
    root, images, labels = photos
    write_tfrecords(root, tmp_path / "shards", shards=3)
    shuffled = {"batch_size": 5, "seed": 3, "shuffle": True, "drop_remainder": True}
    yield from_arrays(images, labels, **shuffled)
    yield from_arrays(images, labels, on_device=True, **shuffled)
    yield from_folder(root, size=SIDE, **shuffled)
    yield from_tfrecords(tmp_path / "shards", size=SIDE, **shuffled)


def test_features_of_every_kind_of_data_set(photos, model, objective, tmp_path):
    _, images, labels = photos
    expected, own = extract_features(model, images), objective.predict(images, verbose=0)
    for data in data_sets(photos, tmp_path):
        before = (data.epoch, data[0]["index"].tolist())
        for batch_size in (256, 7):
            np.testing.assert_allclose(extract_features(model, data, batch_size), expected, atol=1e-6)
        np.testing.assert_allclose(model.predict(data.inputs(), verbose=0), expected, atol=1e-6)
        np.testing.assert_allclose(objective.predict(data, verbose=0), own, atol=1e-5)
        np.testing.assert_allclose(objective.predict(data.inputs(4), verbose=0), own, atol=1e-5)
        np.testing.assert_array_equal(data.labels, labels)
        assert (data.epoch, data[0]["index"].tolist()) == before  # training is where it was


def test_online_callbacks_take_data_sets(photos, model, tmp_path):
    _, images, labels = photos
    for data in data_sets(photos, tmp_path):
        for kind, arguments in ((OnlineKNN, {"k": 3}), (OnlineLinearProbe, {})):
            for given, arrays in (((data,), (images, labels)), ((data, None, data), (images, labels, images, labels))):
                logs = [{}, {}]
                for log, parts in zip(logs, (given, arrays), strict=True):
                    callback = kind(*parts, **arguments)
                    callback.set_model(model)
                    callback.on_epoch_end(0, log)
                assert logs[0] == logs[1]
        callback, log = OnlineRankMe(data), {}
        callback.set_model(model)
        callback.on_epoch_end(0, log)
        np.testing.assert_allclose(
            log["rankme"], keras_ssl.evaluation.rankme(extract_features(model, images)), rtol=1e-4
        )


def test_fit_with_a_callback_on_the_training_data(objective):
    data = from_arrays(PIXELS, LABELS, batch_size=4)
    objective.compile("sgd", run_eagerly=True)
    history = objective.fit(data, epochs=2, verbose=0, callbacks=[OnlineKNN(data, k=3)]).history
    assert len(history["knn_accuracy"]) == 2 and data.epoch == 2


def test_what_a_callback_cannot_take():
    unlabeled, labeled = from_arrays(PIXELS, batch_size=4), from_arrays(PIXELS, LABELS, batch_size=4)
    with pytest.raises(ValueError, match="must be a data set with labels. Received: x_train"):
        OnlineKNN(unlabeled)
    with pytest.raises(ValueError, match="brings its own labels. Received: y_train beside"):
        OnlineKNN(labeled, LABELS)
    with pytest.raises(ValueError, match="must hold the labels of `x_train`. Received: y_train=None"):
        OnlineKNN(PIXELS)
    with pytest.raises(ValueError, match="an array or a data set of keras_ssl.data. Received: x_train"):
        OnlineKNN(labeled.inputs(), LABELS)


def test_what_has_not_one_input_is_refused(model, objective):
    pairs = identity_pairs(PIXELS, np.arange(COUNT) // 2, batch_size=2)
    for data in (pairs, from_arrays((PIXELS, PIXELS), batch_size=4)):
        with pytest.raises(ValueError, match="must have one input per sample.*Received: data of type"):
            extract_features(model, data)
        with pytest.raises(ValueError, match="must have one input per sample.*Received: data of type"):
            objective.predict(data, verbose=0)


def test_unlabeled_samples_of_a_data_set():
    labels = np.where(np.arange(COUNT) < 6, -1, LABELS)
    callback = OnlineKNN(from_arrays(PIXELS, labels, batch_size=4), k=3)
    expected = OnlineKNN(PIXELS, labels, k=3)
    np.testing.assert_array_equal(callback.y_test, expected.y_test)
    np.testing.assert_array_equal(np.concatenate([callback.images[0][i][0] for i in range(4)]), expected.images[0])


def labeled(data, labels):
    """A data set of files, with labels of our own."""
    data.source.labelled, data.source.labels = True, labels.astype(np.int32)
    return data


def test_an_image_that_cannot_be_decoded_is_nan(photos, model, objective, tmp_path):
    pytest.importorskip("tensorflow")
    image = pytest.importorskip("PIL.Image")
    for number in range(8):
        image.fromarray(PIXELS[number]).save(tmp_path / f"{number}.png")
    content = bytearray((tmp_path / "2.png").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "2.png").write_bytes(content)
    data = from_folder(tmp_path, size=SIDE, batch_size=4, max_damaged=0.5)
    with pytest.warns(UserWarning, match="'2.png'"):
        features = extract_features(model, data)
    assert np.isnan(features).all(axis=1).tolist() == [number == 2 for number in range(8)]
    assert np.isnan(objective.predict(data, verbose=0)).all(axis=1).tolist() == [number == 2 for number in range(8)]
    labels = np.arange(8) % 2
    with_labels = from_arrays(PIXELS[:8], labels, batch_size=4)
    kept = np.arange(8) != 2
    for callback, expected in (
        (OnlineRankMe(data), keras_ssl.evaluation.rankme(features[kept])),
        (
            OnlineKNN(labeled(data, labels), x_test=with_labels, k=1),
            knn_accuracy(features[kept], labels[kept], extract_features(model, with_labels), labels, k=1),
        ),
    ):
        callback.set_model(model)
        for _ in range(2):
            log = {}
            callback.on_epoch_end(0, log)
            np.testing.assert_allclose(log[callback.name], expected, rtol=1e-5)
    assert save_features(tmp_path / "f.npz", model, data) == 7
    assert "2.png" not in np.load(tmp_path / "f.npz")["names"]


def test_features_in_files(photos, model, tmp_path):
    pytest.importorskip("tensorflow")
    root, images, labels = photos
    data = from_folder(root, size=SIDE, batch_size=5)
    features = extract_features(model, images)
    names = ["ant" if label == 0 else "caf\\xe9" for label in labels]
    assert save_features(tmp_path / "f.npz", model, data) == COUNT
    with np.load(tmp_path / "f.npz") as file:
        np.testing.assert_allclose(file["features"], features, atol=1e-6)
        assert file["labels"].tolist() == names
        assert file["names"][0] == "ant/00.png" and file["names"][-1] == "caf\\xe9/21.png"
    save_features(tmp_path / "f.csv", model, data)
    with open(tmp_path / "f.csv", encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["name", "label", *map(str, range(features.shape[1]))]
    assert [row[0] for row in rows][:2] == ["ant/00.png", "ant/02.png"] and [row[1] for row in rows] == names
    np.testing.assert_allclose([list(map(float, row[2:])) for row in rows], features, atol=1e-6)
    save_features(tmp_path / "f.parquet", model, data)
    columns = pytest.importorskip("pyarrow.parquet").read_table(tmp_path / "f.parquet").to_pydict()
    assert columns["name"][0] == "ant/00.png" and columns["label"] == names
    np.testing.assert_allclose(columns["features"], features, atol=1e-6)
    save_features(tmp_path / "plain.csv", model, from_arrays(images, batch_size=4))
    assert (tmp_path / "plain.csv").read_text().startswith("name,0,1,")
    assert sorted(os.listdir(tmp_path)) == ["f.csv", "f.npz", "f.parquet", "plain.csv"]


def test_features_in_files_are_refused_before_any_work(model, tmp_path):
    data = from_arrays(PIXELS, batch_size=4)
    with pytest.raises(ValueError, match="must end in .npz, .csv or .parquet. Received: path="):
        save_features(tmp_path / "f.txt", model, data)
    with pytest.raises(ValueError, match="The folder of `path` must exist. Received: path="):
        save_features(tmp_path / "none" / "f.csv", model, data)
    with pytest.raises(ValueError, match="Received: data of type ndarray"):
        save_features(tmp_path / "f.csv", model, PIXELS)


def test_balanced_accuracy_shows_a_lost_class():
    rng = np.random.default_rng(0)
    features = rng.standard_normal((200, 2))
    labels = np.repeat(["common", "rare"], [190, 10])
    predicted = np.repeat("common", 200)
    assert keras_ssl.evaluation.class_recall(labels, predicted) == {"common": 1.0, "rare": 0.0}
    assert keras_ssl.evaluation.balanced_accuracy(labels, predicted) == 0.5
    assert knn_accuracy(features, labels, features, labels, k=50) > 0.9
