"""The projector's files, read by the plugin that serves them."""

import csv

import keras
import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from keras_ssl.callbacks import TensorBoard, projector_files
from keras_ssl.callbacks.projector_files import sprite, write_projector


def noise(count, height=8, width=8):
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def config(folder):
    return text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig()).embeddings[0]


def rows(folder, path):
    with open(folder / path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_features_labels_and_thumbnails(tmp_path):
    features = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    images = noise(5)
    write_projector(tmp_path, features, images, ["cat", "dog", "a\tb\nc", "cat", "é"])
    found = config(tmp_path)
    np.testing.assert_allclose(np.array(rows(tmp_path, found.tensor_path), float), features, rtol=1e-5)
    labels = [["label", "sample"], ["cat", "0"], ["dog", "1"], ["a b c", "2"], ["cat", "3"], ["é", "4"]]
    assert rows(tmp_path, found.metadata_path) == labels
    picture = np.asarray(Image.open(tmp_path / found.sprite.image_path))
    width, height = found.sprite.single_image_dim
    assert picture.shape == (3 * height, 3 * width, 3)  # the page takes the sprite for a square of thumbnails
    for number, image in enumerate(images):
        top, left = height * (number // 3), width * (number % 3)
        np.testing.assert_array_equal(picture[top : top + height, left : left + width], image)


def test_without_labels_the_single_column_has_no_header(tmp_path):
    write_projector(tmp_path, np.eye(2), noise(2))
    assert rows(tmp_path, config(tmp_path).metadata_path) == [["0"], ["1"]]


def test_written_again_it_replaces_what_was_there(tmp_path):
    write_projector(tmp_path, np.eye(3), noise(3), [0, 1, 2])
    write_projector(tmp_path, np.ones((2, 4)), noise(2), [7, 8])
    assert rows(tmp_path, config(tmp_path).tensor_path) == [["1"] * 4] * 2
    assert len(rows(tmp_path, config(tmp_path).metadata_path)) == 3


@pytest.mark.parametrize(("shape", "thumbnail"), [((100, 50), (64, 32)), ((7, 9), (7, 9)), ((64, 64), (64, 64))])
@pytest.mark.parametrize(("count", "columns"), [(1, 1), (4, 2), (5, 3)])
def test_thumbnails_are_at_most_64_pixels_wide(count, columns, shape, thumbnail):
    picture, size = sprite(noise(count, *shape))
    assert size == thumbnail and picture.shape == (columns * thumbnail[0], columns * thumbnail[1], 3)


def test_a_full_disk_leaves_what_was_there_and_ends_no_run(tmp_path, monkeypatch):
    def full(*arguments, **options):
        arguments[0].write_text("half")
        raise OSError(28, "No space left on device")

    features = np.eye(4, dtype="float32")
    write_projector(tmp_path, features, noise(4))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(projector_files.np, "savetxt", full)
    layers = [keras.layers.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]
    model = keras.Sequential(layers)
    model.compile("sgd", "mse")
    board = TensorBoard(tmp_path, noise(4), every=1)
    with pytest.warns(UserWarning, match=r"cannot be written: .*projector \(No space left on device\)") as said:
        model.fit(noise(4), np.zeros((4, 2)), epochs=2, verbose=0, callbacks=[board])
    assert len([one for one in said if "cannot be written" in str(one.message)]) == 1
    assert {path: path.read_bytes() for path in before} == before
    assert not [path for path in (tmp_path / "projector").iterdir() if path.name.startswith(".")]
