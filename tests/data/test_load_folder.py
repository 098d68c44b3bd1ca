import numpy as np
import pytest

pytest.importorskip("tensorflow")
pytest.importorskip("PIL.Image")

from keras_ssl.data import from_folder, load_folder  # noqa: E402


def test_labelled(tmp_path, write_images):
    write_images(tmp_path / "b", 2)
    write_images(tmp_path / "a", 3, first=10)
    images, labels, class_names = load_folder(tmp_path, size=4)
    assert images.shape == (5, 4, 4, 3) and images.dtype == np.uint8
    np.testing.assert_array_equal(images[:, 0, 0, 0], [10, 11, 12, 0, 1])
    np.testing.assert_array_equal(labels, [0, 0, 0, 1, 1])
    assert class_names == ("a", "b")


def test_more_than_one_batch_equals_from_folder(tmp_path, write_images):
    write_images(tmp_path, 300, size=(9, 7))
    images, labels, class_names = load_folder(tmp_path, size=3)
    assert labels is None and class_names == ()
    batch = from_folder(tmp_path, size=3, batch_size=300, shuffle=False)[0]
    np.testing.assert_array_equal(images, batch["x"])


@pytest.mark.filterwarnings("ignore:Skipped damaged")
def test_damaged_files_are_left_out(tmp_path, write_images):
    write_images(tmp_path / "a", 100)
    write_images(tmp_path / "b", 100, first=100)
    truncated, inside = tmp_path / "a" / "0003.png", tmp_path / "b" / "0150.png"
    truncated.write_bytes(truncated.read_bytes()[:40])
    content = bytearray(inside.read_bytes())
    content[len(content) // 2] ^= 0xFF
    inside.write_bytes(content)
    with pytest.warns(UserWarning, match="'b/0150.png'"):
        images, labels, _ = load_folder(tmp_path, size=4)
    expected = np.delete(np.arange(200), [3, 150])
    np.testing.assert_array_equal(images[:, 0, 0, 0], expected)
    np.testing.assert_array_equal(labels, expected >= 100)


def test_empty_folder(tmp_path):
    with pytest.raises(ValueError, match="must hold image files .*Received: path="):
        load_folder(tmp_path, size=4)
