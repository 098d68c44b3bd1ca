"""Data sets of the same size and other samples are told apart; equal ones are equal."""

import keras
import numpy as np
import pytest

from keras_ssl.data import fingerprint, from_arrays, identity_pairs
from keras_ssl.data.fingerprint import array_fingerprint, data_fingerprint, spread

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
X = np.random.default_rng(0).integers(0, 256, (64, 4, 4, 3), dtype=np.uint8)


def of(x=X, **options):
    return data_fingerprint(from_arrays(x, batch_size=8, **options))


def test_arrays():
    assert of() == of(X.copy()) == of(np.asfortranarray(X)) and set(of()) == {"x", "index"}
    other = X.copy()
    other[63, 3, 3, 2] ^= 1
    for x in (other, X[::-1], X.reshape(64, 3, 4, 4), X.astype("float32"), (X, X)):
        assert of(x) != of()
    assert of((X, other)) != of((X, X))
    assert of(y=np.arange(64)) != of() and of(y=np.arange(64)) != of(y=np.arange(64) // 2)
    # float64 is trained on as float32
    assert of(X / 255.0) == of((X / 255.0).astype("float32"))


def test_on_the_device_is_the_same():
    assert of(on_device=True) == of()


def test_of_a_large_array_some_rows_are_read(monkeypatch):
    monkeypatch.setattr(fingerprint, "WHOLE", 480)
    assert spread(64, 10).tolist() == [0, 7, 14, 21, 28, 35, 42, 49, 56, 63] and spread(3, 10).tolist() == [0, 1, 2]

    class Counted(np.ndarray):
        read = 0

        def __getitem__(self, rows):
            Counted.read += len(rows)
            return np.asarray(self)[rows]

    before = array_fingerprint(X.view(Counted))
    assert Counted.read == 10
    half = X.copy()
    half[::2] = half[::-2]
    assert array_fingerprint(half) != before and array_fingerprint(X.copy()) == before


def test_pairs():
    group = np.arange(64) // 4
    one, two = (data_fingerprint(identity_pairs(x, group, batch_size=4)) for x in (X, X[::-1].copy()))
    assert one != two and one == data_fingerprint(identity_pairs(X, group, batch_size=4))


def test_what_tells_nothing():
    assert data_fingerprint([X]) == {}


@pytest.mark.skipif(not ON_TENSORFLOW, reason="nothing of it is the backend's")
class TestFiles:
    def test_a_folder_whose_files_were_exchanged(self, tmp_path, write_images):
        from keras_ssl.data import from_folder

        def now():
            return data_fingerprint(from_folder(tmp_path, size=4, batch_size=2))

        write_images(tmp_path, 6)
        before, names = now(), sorted(tmp_path.iterdir())
        assert before == now() and set(before) == {"classes", "labels", "names", "sizes", "files"}
        contents = [name.read_bytes() for name in names]
        names[0].write_bytes(contents[1]), names[1].write_bytes(contents[0])
        assert {key for key, value in now().items() if value != before[key]} <= {"files", "sizes"} and now() != before
        names[0].write_bytes(contents[0]), names[1].write_bytes(contents[1])
        assert now() == before
        names[2].rename(tmp_path / "another.png")
        assert now()["names"] != before["names"]

    def test_shards(self, tmp_path, write_images):
        from keras_ssl.data import from_tfrecords, write_tfrecords

        for name, first in (("one", 0), ("two", 6)):
            write_images(tmp_path / name, 6, first=first)
            write_tfrecords(tmp_path / name, tmp_path / f"{name}_records", shards=2)
        one, again, two = (
            data_fingerprint(from_tfrecords(tmp_path / f"{name}_records", size=4, batch_size=2))
            for name in ("one", "one", "two")
        )
        assert one == again != two

    def test_tf_data(self):
        import tensorflow as tf

        def now(batch, remainder=False):
            data = tf.data.Dataset.from_tensor_slices(X).shuffle(9).batch(batch, drop_remainder=remainder)
            return data_fingerprint(data.map(lambda x: x).prefetch(2))

        assert now(8) == now(8) and now(8)["batch_sizes"] == [8]
        assert now(16) != now(8) and now(8, remainder=True) != now(8)
