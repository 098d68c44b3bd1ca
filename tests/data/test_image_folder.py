import os
import warnings

import numpy as np
import pytest

pytest.importorskip("tensorflow")
Image = pytest.importorskip("PIL.Image")

from keras_ssl.data.image_folder import ImageFolder  # noqa: E402


def read(folder, batch_size=4, order=None):
    order = np.arange(len(folder.files)) if order is None else order
    parts = list(folder.stream(order, batch_size))
    images, numbers, _, decoded = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return images, numbers, decoded


def truncate(path, keep):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * keep)])


def damage_inside(path):
    """Flips bits in the middle of a PNG, whose checksum then fails; both ends stay as they are."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_class_per_folder(tmp_path, write_images):
    write_images(tmp_path / "zebra" / "deeper", 2)
    write_images(tmp_path / "ant", 3, "JPG", first=10)
    write_images(tmp_path / "bee", 1, "jpeg", first=20)
    write_images(tmp_path / ".hidden", 1)
    (tmp_path / "ant" / "notes.txt").write_text("no image")
    folder = ImageFolder(tmp_path, size=4)
    assert folder.class_names == ("ant", "bee", "zebra")
    assert folder.files[:4] == ["ant/0010.JPG", "ant/0011.JPG", "ant/0012.JPG", "bee/0020.jpeg"]
    assert folder.files[4:] == ["zebra/deeper/0000.png", "zebra/deeper/0001.png"]
    np.testing.assert_array_equal(folder.labels, [0, 0, 0, 1, 2, 2])
    images, numbers, decoded = read(folder)
    np.testing.assert_array_equal(numbers, np.arange(6))
    assert decoded.all() and images.dtype == np.uint8
    np.testing.assert_allclose(images[:, 0, 0, 0], [10, 11, 12, 20, 0, 1], atol=2)


def test_unlabeled_trees(tmp_path, write_images):
    write_images(tmp_path / "one" / "a", 1)
    write_images(tmp_path / "one" / "b", 1)
    assert ImageFolder(tmp_path, size=4).class_names == ()  # a single folder is no set of classes
    assert ImageFolder(tmp_path, size=4, labelled=True).class_names == ("one",)
    assert ImageFolder(tmp_path / "one", size=4).class_names == ("a", "b")
    assert ImageFolder(tmp_path / "one", size=4, labelled=False).labels is None
    write_images(tmp_path / "one", 1, first=5)
    flat = ImageFolder(tmp_path / "one", size=4)
    assert flat.class_names == () and flat.labels is None
    assert flat.files == ["0005.png", "a/0000.png", "b/0000.png"]
    with pytest.raises(ValueError, match=r"must lie in a class folder. Received: .* with image '0005.png'"):
        ImageFolder(tmp_path / "one", size=4, labelled=True)


def test_links_are_followed_but_not_in_circles(tmp_path, write_images):
    write_images(tmp_path / "set" / "a", 1)
    os.symlink(tmp_path / "set" / "a", tmp_path / "set" / "b")
    os.symlink(tmp_path / "set", tmp_path / "set" / "a" / "circle")
    assert ImageFolder(tmp_path / "set", size=4).files == ["a/0000.png", "b/0000.png"]


def test_resizing_matches_pillow(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for size in (20, 60, 100):
        image = read(ImageFolder(tmp_path, size=size))[0][0]
        square = Image.fromarray(pixels[:, 15:75])
        expected = np.asarray(square.resize((size, size), Image.Resampling.BILINEAR))
        assert np.abs(image.astype(int) - expected).max() <= 1
    np.testing.assert_array_equal(read(ImageFolder(tmp_path, size=60))[0][0], pixels[:, 15:75])


def test_gray_transparent_and_deep_images_become_rgb(tmp_path):
    gray = np.arange(16, dtype=np.uint8).reshape(4, 4) * 16
    Image.fromarray(gray).save(tmp_path / "gray.png")
    Image.fromarray(gray.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    Image.fromarray(np.dstack([gray, gray, gray, gray])).save(tmp_path / "transparent.png")
    for image in read(ImageFolder(tmp_path, size=4))[0]:
        np.testing.assert_array_equal(image, np.dstack([gray] * 3))


def test_truncated_files_are_found_before_reading(tmp_path, write_images):
    write_images(tmp_path / "a", 150)
    write_images(tmp_path / "b", 150, "jpg", size=(40, 30), first=200)
    truncate(tmp_path / "a" / "0007.png", 0.8)
    truncate(tmp_path / "b" / "0201.jpg", 0.5)
    (tmp_path / "b" / "0202.jpg").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"3 of 300.*'a/0007.png', 'b/0201.jpg', 'b/0202.jpg'"):
        folder = ImageFolder(tmp_path, size=4)
    assert folder.skipped == ["a/0007.png", "b/0201.jpg", "b/0202.jpg"]
    assert len(folder.files) == len(folder.labels) == 297
    assert not set(folder.skipped) & set(folder.files)
    images, numbers, decoded = read(folder, batch_size=64)
    assert decoded.all()
    levels = [int(file[2:6]) % 256 for file in folder.files]
    np.testing.assert_allclose(images[:, 0, 0, 0], levels, atol=2)


def test_appended_bytes_are_no_damage(tmp_path, write_images):
    write_images(tmp_path, 2, "jpg")
    write_images(tmp_path, 1, "png", first=2)
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes() + b"camera")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folder = ImageFolder(tmp_path, size=4)
    assert len(folder.files) == 3 and read(folder)[2].all()


def test_damage_inside_is_marked_while_reading(tmp_path, write_images):
    write_images(tmp_path, 120)
    damage_inside(tmp_path / "0030.png")
    folder = ImageFolder(tmp_path, size=4)
    assert folder.skipped == []
    order = np.random.default_rng(0).permutation(120)
    for repeat in range(2):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            images, numbers, decoded = read(folder, batch_size=16, order=order)
        assert [("1 of 120" in str(w.message)) for w in caught] == ([True] if repeat == 0 else [])
        np.testing.assert_array_equal(numbers, order)
        np.testing.assert_array_equal(decoded, order != 30)
        np.testing.assert_array_equal(images[decoded][:, 0, 0, 0], order[decoded])
    assert folder.skipped == ["0030.png"]


def test_a_file_that_vanishes_is_marked_too(tmp_path, write_images):
    write_images(tmp_path, 100)
    folder = ImageFolder(tmp_path, size=4)
    (tmp_path / "0000.png").unlink()
    with pytest.warns(UserWarning, match="'0000.png'"):
        assert not read(folder)[2][0]


def test_more_than_one_percent_is_an_error(tmp_path, write_images):
    write_images(tmp_path, 199)
    truncate(tmp_path / "0010.png", 0.5)
    with pytest.warns(UserWarning, match="1 of 199"):
        ImageFolder(tmp_path, size=4)
    damage_inside(tmp_path / "0011.png")
    with pytest.warns(UserWarning):
        folder = ImageFolder(tmp_path, size=4)
    with pytest.raises(ValueError, match=r"More than 1 %.*2 of 199.*Received: path=.*'0011.png'"):
        read(folder)
    truncate(tmp_path / "0012.png", 0.5)
    with pytest.raises(ValueError, match=r"2 of 199.*by `max_damaged=0.02`.*'0010.png', '0012.png'"):
        ImageFolder(tmp_path, size=4)


def test_bad_paths(tmp_path, write_images):
    with pytest.raises(ValueError, match=r"can be listed \(No such file.*Received: path='/no/such'"):
        ImageFolder("/no/such", size=4)
    (tmp_path / "file.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"can be listed \(Not a directory.*Received: path=.*file.png'"):
        ImageFolder(tmp_path / "file.png", size=4)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"must hold image files .*Received: path='.*empty'"):
        ImageFolder(tmp_path / "empty", size=4)
    for name in ("a", "b"):
        write_images(tmp_path / "classes" / name, 1)
    (tmp_path / "classes" / "c").mkdir()
    with pytest.raises(ValueError, match=r"Every class folder must hold images.*with folder 'c'"):
        ImageFolder(tmp_path / "classes", size=4, labelled=True)
    with pytest.warns(UserWarning, match=r"not taken for classes, since 'c' holds no images"):
        assert ImageFolder(tmp_path / "classes", size=4).labels is None
    assert len(ImageFolder(tmp_path / "classes", size=4, labelled=False).files) == 2


@pytest.mark.parametrize("arguments", [{"size": 0}, {"size": 4.5}, {"size": 4, "labelled": "yes"}])
def test_bad_arguments(tmp_path, write_images, arguments):
    write_images(tmp_path, 1)
    with pytest.raises(ValueError, match=r"Received: (size|labelled)="):
        ImageFolder(tmp_path, **arguments)
