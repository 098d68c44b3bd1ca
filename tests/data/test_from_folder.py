import keras
import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("PIL.Image")

from keras_ssl.data import from_folder  # noqa: E402
from keras_ssl.random import permutation  # noqa: E402


def folder(tmp_path, write_images, count=20):
    write_images(tmp_path / "a", count // 2)
    write_images(tmp_path / "b", count - count // 2, first=count // 2)
    return tmp_path


def test_batches(tmp_path, write_images):
    data = from_folder(folder(tmp_path, write_images), size=4, batch_size=8, seed=2)
    assert len(data) == 2 and data.class_names == ("a", "b") and data.skipped == []
    order = permutation(20, 2, 0)
    for number, batch in enumerate(data):
        rows = order[8 * number : 8 * number + 8]
        assert sorted(batch) == ["index", "x", "y"]
        assert batch["x"].shape == (8, 4, 4, 3) and batch["x"].dtype == np.uint8
        assert batch["y"].dtype == batch["index"].dtype == np.int32
        np.testing.assert_array_equal(batch["index"], rows)
        np.testing.assert_array_equal(batch["x"][:, 0, 0, 0], rows)
        np.testing.assert_array_equal(batch["y"], rows >= 10)
        assert data.files[rows[0]].endswith(f"{rows[0]:04d}.png")


def test_each_epoch_has_its_order_and_any_batch_can_be_read_first(tmp_path, write_images):
    data = from_folder(folder(tmp_path, write_images), size=4, batch_size=8, labelled=False)
    for epoch in range(3):
        order = permutation(20, 0, epoch)
        np.testing.assert_array_equal(np.concatenate([batch["index"] for batch in data]), order[:16])
        np.testing.assert_array_equal(data[1]["index"], order[8:16])
        np.testing.assert_array_equal(data[0]["x"][:, 0, 0, 0], order[:8])
        data.on_epoch_end()
    assert sorted(data[0]) == ["index", "x"]
    resumed = from_folder(tmp_path, size=4, batch_size=8, labelled=False, epoch=3)
    np.testing.assert_array_equal(resumed[1]["index"], data[1]["index"])


def test_without_shuffling_and_with_the_remainder(tmp_path, write_images):
    path = folder(tmp_path, write_images)
    data = from_folder(path, size=4, batch_size=8, shuffle=False, drop_remainder=False)
    for _ in range(2):
        batches = list(data)
        assert [len(batch["x"]) for batch in batches] == [8, 8, 4]
        np.testing.assert_array_equal(np.concatenate([batch["index"] for batch in batches]), np.arange(20))
        data.on_epoch_end()


@pytest.mark.filterwarnings("ignore:Skipped damaged")
def test_a_good_image_stands_in_for_a_damaged_one(tmp_path, write_images):
    write_images(tmp_path, 200)
    for number in (7, 11):
        file = tmp_path / f"{number:04d}.png"
        content = bytearray(file.read_bytes())
        content[len(content) // 2] ^= 0xFF
        file.write_bytes(content)
    data = from_folder(tmp_path, size=4, batch_size=4, shuffle=False)
    for _ in range(2):
        if data.epoch == 0:
            with pytest.warns(UserWarning, match="'0007.png'"):
                batches = list(data)
        else:
            batches = list(data)
        np.testing.assert_array_equal(batches[1]["index"], [4, 5, 6, 4])
        np.testing.assert_array_equal(batches[2]["index"], [8, 9, 10, 8])
        np.testing.assert_array_equal(batches[3]["index"], [12, 13, 14, 15])
        for batch in batches:
            np.testing.assert_array_equal(batch["x"][:, 0, 0, 0], batch["index"])
        data.on_epoch_end()
    assert data.skipped == ["0007.png", "0011.png"]


def test_fit_sees_each_epoch_in_its_order(tmp_path, write_images):
    class Recorder(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = keras.layers.Dense(1)
            self.seen = []

        def call(self, x):
            return self.dense(keras.ops.mean(keras.ops.cast(x["x"], "float32"), axis=(1, 2)) / 255)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return keras.ops.mean(y_pred**2)

        def train_step(self, *args):
            self.seen += np.asarray(args[-1]["index"]).tolist()
            return super().train_step(*args)

    model = Recorder()
    model.compile("sgd", run_eagerly=True)
    data = from_folder(folder(tmp_path, write_images), size=4, batch_size=8, seed=4)
    model.fit(data, epochs=3, shuffle=False, verbose=0)
    expected = np.concatenate([permutation(20, 4, epoch)[:16] for epoch in range(3)])
    np.testing.assert_array_equal(model.seen, expected)


def test_less_than_a_batch_is_an_error(tmp_path, write_images):
    with pytest.raises(ValueError, match=r"number of samples \(20\).*Received: batch_size=256"):
        from_folder(folder(tmp_path, write_images), size=4)


def test_a_batch_without_a_good_image_is_an_error(tmp_path, write_images):
    write_images(tmp_path, 100)
    data = from_folder(tmp_path, size=4, batch_size=1, shuffle=False)
    (tmp_path / "0000.png").unlink()
    with pytest.warns(UserWarning), pytest.raises(ValueError, match="No image of a batch"):
        data[0]
