"""scripts/make_tfrecords.py as a user runs it."""

import keras
import numpy as np
import pytest

from keras_ssl.data import from_folder, from_tfrecords
from tests.forking import run_repeatedly

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow is the reader; once is enough"
)


@pytest.mark.slow
def test_shards_of_a_folder(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for name in ("cat", "dog"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(5):
            pixels = np.random.RandomState(number).randint(0, 256, (9, 8, 3)).astype("uint8")
            image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.jpg")
    done, again, nothing = run_repeatedly(
        "make_tfrecords.py",
        ["--data=photos", "--out=shards", "--shards=3"],
        ["--data=photos", "--out=shards"],
        ["--data=nothing", "--out=new"],
        cwd=tmp_path,
    )
    assert done[0] is None and "10 images, 2 classes, in 3 shards: shards" in done[1]
    assert "must not be there yet" in again[0] and "Received: path='shards'" in again[0]
    assert "can be listed" in nothing[0] and not (tmp_path / "new").exists()
    records = from_tfrecords(tmp_path / "shards", size=8, batch_size=10)[0]
    folder = from_folder(tmp_path / "photos", size=8, batch_size=10)[0]
    for key in ("x", "y", "index"):
        np.testing.assert_array_equal(records[key], folder[key])
