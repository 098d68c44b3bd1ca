"""How batches reach the step on TensorFlow."""

import keras
import numpy as np
import pytest

import keras_ssl
from tests.objectives.tiny import cheap_views, encoder

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="reads by tf.data")


class Pairs(keras.utils.PyDataset):
    """A data set of the user's own."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return np.full((4, 8, 8, 3), index, "uint8")


def folder(path):
    from PIL import Image

    for number in range(8):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path / f"{number}.png")
    return keras_ssl.data.from_folder(str(path), size=8, batch_size=4, labelled=False)


SOURCES = {"arrays": lambda path: np.zeros((8, 8, 8, 3), "uint8"), "files": folder, "own": lambda path: Pairs()}


@pytest.mark.parametrize("source", SOURCES)
def test_no_data_set_tunes_itself(source, tmp_path, monkeypatch):
    """TensorFlow's thread that tunes is waited for when an epoch ends: five seconds and more, seen in every other."""
    import tensorflow as tf

    iterate, tuned = tf.data.Dataset.__iter__, []

    def watched(self):
        tuned.append(self.options().autotune.enabled)
        return iterate(self)

    monkeypatch.setattr(tf.data.Dataset, "__iter__", watched)
    model = keras_ssl.SimCLR(encoder(), projector=(8, 4), views=cheap_views())
    model.compile("sgd", run_eagerly=True)
    data = SOURCES[source](tmp_path)
    model.fit(data, epochs=2, verbose=0, **({"batch_size": 4} if source == "arrays" else {}))
    assert len(tuned) >= (3 if source == "files" else 2)  # the files are read by a data set that the step's reads
    assert set(tuned) == {False}
