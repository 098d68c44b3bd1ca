import zipfile

import keras
import numpy as np
import pytest
from PIL import Image

from keras_ssl.data import colored_digits, write_tfrecords
from keras_ssl.data.device_batches import DeviceBatches
from keras_ssl.hub.recipe_data import data_source, training_batches


def photos(folder, classes=("cat", "dog"), count=5):
    rng = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = rng.integers(0, 256, (12, 10, 3)).astype("uint8")
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def test_colored_digits_come_in_two_parts():
    images = data_source("colored_digits").read(count=30, size=16, seed=3)
    expected = colored_digits("train", seed=3, size=16, count=30)
    np.testing.assert_array_equal(images.x, expected[0])
    np.testing.assert_array_equal(images.y, expected[1])
    assert len(images.x_test) == len(images.y_test) == 10
    np.testing.assert_array_equal(images.x_test, colored_digits("test", seed=3, size=16, count=10)[0])


def test_cifar_is_what_keras_downloads(monkeypatch):
    parts = [(np.zeros((n, 32, 32, 3), "uint8"), np.ones((n, 1), "uint8")) for n in (6, 4)]
    monkeypatch.setattr(keras.datasets.cifar10, "load_data", lambda: parts)
    images = data_source("cifar10").read()
    assert images.y.shape == (6,) and images.y_test.shape == (4,) and images.x_test.shape == (4, 32, 32, 3)


def test_npz(tmp_path):
    path = tmp_path / "a.npz"
    arrays = {"x": np.zeros((6, 8, 8, 3), "uint8"), "y": np.arange(6)}
    np.savez(path, **arrays)
    images = data_source(str(path)).read()
    np.testing.assert_array_equal(images.y, arrays["y"])
    assert images.x_test is None
    batches, labelled = training_batches(data_source(str(path)), {}, batch_size=3, seed=0)
    assert len(batches) == 2 and batches[0]["x"].dtype == np.uint8 and len(labelled.x) == 6
    np.savez(path, x=arrays["x"])
    assert training_batches(data_source(str(path)), {}, batch_size=3, seed=0)[1] is None


@pytest.mark.parametrize(
    "arrays",
    [{"y": np.zeros(2)}, {"x": np.zeros(2), "z": np.zeros(2)}, {"x": np.zeros(2), "x_test": np.zeros(2)}, {}],
)
def test_an_npz_with_other_arrays_is_an_error(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match="must hold x, and may hold y.*Received: data=.*a.npz"):
        data_source(str(tmp_path / "a.npz")).read()


def npz_with(change, path):
    """An .npz file whose bytes were changed."""
    np.savez_compressed(path, x=np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8))
    content = bytearray(path.read_bytes())
    change(content)
    path.write_bytes(content)


def flipped(content):
    content[1000:1010] = b"\xff" * 10


def encrypted(content):
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1


def unknown_method(content):
    content[8] = content[content.rindex(b"PK\x01\x02") + 10] = 99


@pytest.mark.parametrize("change", [flipped, encrypted, unknown_method, bytearray.clear, lambda content: content.pop()])
def test_whatever_an_npz_reader_raises_is_one_sentence(tmp_path, change):
    path = tmp_path / "a.npz"
    npz_with(change, path)
    with pytest.raises(ValueError, match="An .npz file cannot be read.*Received: data=.*a.npz"):
        data_source(str(path)).read()


def test_a_huge_shape_in_an_npz_is_one_sentence(tmp_path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (100000000000000,), }"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(ValueError, match="cannot be read.*Received: data=.*a.npz"):
        data_source(str(tmp_path / "a.npz")).read()


def test_an_npz_that_is_another_kind_of_file(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros(3))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    with pytest.raises(ValueError, match="cannot be read.*Received: data=.*a.npz"):
        data_source(str(tmp_path / "a.npz")).read()


def test_a_damaged_npz_and_pickles_are_errors(tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"PK\x03\x04 half of a file")
    with pytest.raises(ValueError, match="cannot be read.*a.npz"):
        data_source(str(path)).read()
    np.savez(path, x=np.array([object()]))
    with pytest.raises(ValueError, match="cannot be read.*a.npz"):
        data_source(str(path)).read()


def test_a_folder_is_streamed_and_read(tmp_path):
    source = data_source(str(photos(tmp_path)))
    assert source.known == ("size", "labelled", "bands", "value_range", "max_damaged")
    batches, labelled = training_batches(source, {"size": 8}, batch_size=4, seed=1)
    assert len(batches) == 2 and batches[0]["x"].shape == (4, 8, 8, 3)
    assert labelled.x.shape == (10, 8, 8, 3) and sorted(labelled.y) == [0] * 5 + [1] * 5
    assert labelled.x_test is None and labelled.classes == ("cat", "dog")
    assert source.read(size=8, labelled=False).classes is None
    unlabeled = training_batches(source, {"size": 8, "labelled": False}, batch_size=4, seed=1)
    assert unlabeled[1] is None


def test_a_folder_in_two_parts(tmp_path):
    photos(tmp_path / "train")
    photos(tmp_path / "val", count=2)
    source = data_source(str(tmp_path))
    images = source.read(size=8)
    assert len(images.x) == 10 and len(images.x_test) == 4 and images.classes == ("cat", "dog")
    assert len(training_batches(source, {"size": 8}, batch_size=2, seed=0)[0]) == 5


def test_the_parts_of_a_folder_have_the_same_classes(tmp_path):
    photos(tmp_path / "train")
    photos(tmp_path / "test", classes=("cat", "fox"))
    with pytest.raises(ValueError, match="same classes. Received: .*train.*dog.*test.*fox"):
        data_source(str(tmp_path)).read(size=8)


def test_large_folders_are_streamed_only(tmp_path, monkeypatch):
    monkeypatch.setattr("keras_ssl.hub.recipe_data._LABELLED_BYTES", 100)
    assert training_batches(data_source(str(photos(tmp_path))), {"size": 8}, batch_size=4, seed=1)[1] is None


def test_keras_datasets_by_name(monkeypatch):
    parts = [(np.arange(n * 4, dtype="uint8").reshape(n, 2, 2), np.ones(n, "uint8")) for n in (6, 4)]
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: parts)
    source = data_source("keras:mnist")
    images = source.read()
    assert images.x.shape == (6, 2, 2, 3) and images.x_test.shape == (4, 2, 2, 3) and images.y.tolist() == [1] * 6
    np.testing.assert_array_equal(images.x[..., 0], images.x[..., 2])
    np.testing.assert_array_equal(images.x[..., 0], parts[0][0])
    assert source.settings == ("on_device", "labels", "ratio")

    def offline():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", offline)
    with pytest.raises(OSError, match="URL fetch failure.*Received: data='keras:mnist'"):
        source.read()
    with pytest.raises(ValueError, match="images of keras.datasets.*Received: data='keras:imdb'"):
        data_source("keras:imdb")


def test_data_in_memory_can_lie_on_the_device(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(6 * 192, dtype="uint8").reshape(6, 8, 8, 3))
    source = data_source(str(tmp_path / "a.npz"))
    host, device = (training_batches(source, {"on_device": there}, batch_size=3, seed=1)[0] for there in (False, True))
    assert isinstance(device, DeviceBatches) and not isinstance(host, DeviceBatches)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(device[1]["x"]), host[1]["x"])


def test_a_folder_of_records(tmp_path):
    photos(tmp_path / "photos")
    for part in ("train", "val"):
        write_tfrecords(tmp_path / "photos", tmp_path / "shards" / part, shards=2)
    source = data_source(str(tmp_path / "shards"))
    assert source.known == ("size", "max_damaged")
    batches, labelled = training_batches(source, {"size": 8}, batch_size=4, seed=1)
    expected, _ = training_batches(data_source(str(tmp_path / "photos")), {"size": 8}, batch_size=4, seed=1)
    np.testing.assert_array_equal(batches[1]["x"], expected[1]["x"])
    assert labelled.x.shape == labelled.x_test.shape == (10, 8, 8, 3) and labelled.classes == ("cat", "dog")


def test_crops_of_streamed_files(tmp_path):
    from keras_ssl.views import simclr

    source = data_source(str(photos(tmp_path)))
    assert source.settings == ("size", "labelled", "bands", "value_range", "max_damaged", "crops")
    views = simclr(6)
    batches, labelled = training_batches(source, {"size": 8, "crops": "full"}, batch_size=4, seed=1, views=views)
    assert [view.shape for view in batches[0]["x"]] == 2 * [(4, 6, 6, 3)] and labelled.x.shape == (10, 8, 8, 3)
    square, _ = training_batches(source, {"size": 8, "crops": "square"}, batch_size=4, seed=1, views=views)
    np.testing.assert_array_equal(square[0]["x"], batches.whole(0)["x"])
    with pytest.raises(ValueError, match='must be "full" or "square".*Received: crops=True'):
        training_batches(source, {"size": 8, "crops": True}, batch_size=4, seed=1, views=views)
    with pytest.raises(ValueError, match=r"needs a section \[views\].*Received: crops='full'"):
        training_batches(source, {"size": 8, "crops": "full"}, batch_size=4, seed=1)


@pytest.mark.parametrize("name", ["nothing", "nothing.npz", "/no/such/folder"])
def test_other_names_are_errors(name):
    with pytest.raises(ValueError, match="must be a name, an .npz or .parquet file or a folder.*Received: data="):
        data_source(name)


@pytest.mark.parametrize("name", ["nofolder", "./nothing", "nothing.npz", "a" * 5000, "a\0b"])
def test_data_that_do_not_exist_are_said_not_to(name):
    with pytest.raises(ValueError, match="There is no such path.*Received: data=") as caught:
        data_source(name)
    assert len(str(caught.value)) < 1000
