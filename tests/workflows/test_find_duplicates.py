"""Near-copies in a folder of images."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

import keras_ssl
from keras_ssl.workflows import find_duplicates


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve smooth images; of two there are copies: smaller, or of low quality."""
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for number in range(12):
        coarse = Image.fromarray(random.integers(0, 256, (6, 6, 3), "uint8"))
        coarse.resize((96, 96), Image.Resampling.BICUBIC).save(folder / f"{number:02d}.png")
    with Image.open(folder / "03.png") as image:
        image.resize((50, 50)).save(folder / "30.png")
        image.save(folder / "31.jpg", quality=60)
    with Image.open(folder / "07.png") as image:
        image.filter(ImageFilter.GaussianBlur(1)).save(folder / "05b.png")
    return folder


@pytest.mark.once
def test_copies_of_other_size_and_quality_are_found_by_their_hashes(folder):
    found = find_duplicates(folder)
    assert [(item.group, item.kept, item.name) for item in found] == [
        (1, True, "03.png"),
        (1, False, "30.png"),
        (1, False, "31.jpg"),
        (2, True, "05b.png"),
        (2, False, "07.png"),
    ]
    assert all(item.distance <= 1 for item in found) and not any(item.distance for item in found if item.kept)


@pytest.mark.once
def test_the_threshold_decides(folder):
    names = [{item.name for item in find_duplicates(folder, threshold=bits)} for bits in (0, 1, 64)]
    assert names[0] <= names[1] < names[2] and len(names[2]) == 15


def test_by_features_of_a_model():
    images, _ = keras_ssl.data.colored_digits("train", count=20)
    images = np.concatenate([images, images[[4, 9, 4]]])
    found = find_duplicates(images, "barlow_digits", threshold=1e-6)
    assert [(item.group, item.row, item.kept) for item in found] == [
        (1, 4, True),
        (1, 20, False),
        (1, 22, False),
        (2, 9, True),
        (2, 21, False),
    ]


def test_features_in_files_stand_in_for_data_and_model(tmp_path):
    images, _ = keras_ssl.data.colored_digits("train", count=20)
    images = np.concatenate([images, images[[4, 9, 4]]])
    keras_ssl.embed("barlow_digits", images, out=tmp_path / "features", shard_size=6)
    # A copy's features can differ in the last bit by its place in a batch, and so can the distance.
    found, expected = (
        [(item.group, item.kept, item.name, item.row, round(item.distance, 9)) for item in duplicates]
        for duplicates in (
            find_duplicates(features=tmp_path / "features", threshold=1e-6),
            find_duplicates(images, "barlow_digits", threshold=1e-6),
        )
    )
    assert found == expected and len(found) == 5
    with pytest.raises(ValueError, match="`features` stands in the place of `data` and `model`. Received: features="):
        find_duplicates(images, features=tmp_path / "features")
    with pytest.raises(ValueError, match="`threshold`"):
        find_duplicates(features=tmp_path / "features", threshold=-1.0)


@pytest.mark.once
def test_files_that_cannot_be_decoded_are_left_out(folder, tmp_path):
    for name in ("03.png", "30.png"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    for number in range(200):  # damage of more than one in a hundred is an error
        (tmp_path / f"z{number}.png").write_bytes((folder / "11.png").read_bytes())
    damaged = bytearray((folder / "02.png").read_bytes())
    damaged[60:200] = bytes(140)  # its ends are whole
    (tmp_path / "04.png").write_bytes(damaged)
    with pytest.warns(UserWarning, match="04.png"):
        found = find_duplicates(tmp_path)
    assert [item.name for item in found[:2]] == ["03.png", "30.png"]
    assert "04.png" not in {item.name for item in found}


@pytest.mark.once
@pytest.mark.parametrize(
    ("data", "message"),
    [("nowhere", "data='nowhere'"), (np.zeros((3, 4)), "images"), (keras_ssl.data.from_arrays, "images")],
)
def test_refuses(data, message):
    with pytest.raises(ValueError, match=message):
        find_duplicates(data)


@pytest.mark.once
def test_images_that_are_mostly_of_one_color_are_no_copies_of_each_other(tmp_path):
    """Their hashes have few bits or none. The one copy, brighter and smaller, is found."""
    random = np.random.default_rng(0)

    def flat(color, boxes, noise=4):
        image = np.full((90, 120, 3), color, float)
        for top, left, height, width, shade in boxes:
            image[top : top + height, left : left + width] = shade
        return Image.fromarray((image + random.normal(0, noise, image.shape)).clip(0, 255).astype("uint8"))

    flat((90, 60, 20), [], 0).save(tmp_path / "a.png")
    flat((30, 180, 200), [], 0).save(tmp_path / "b.png")
    flat((30, 180, 200), [(60, 80, 30, 40, (20, 20, 120))]).save(tmp_path / "c.png")
    flat((120, 120, 120), [(0, 90, 40, 30, (20, 20, 20))]).save(tmp_path / "d.png")
    flat((0, 160, 120), [(50, 90, 40, 30, (70, 110, 20))]).save(tmp_path / "e.png")
    copy = Image.open(tmp_path / "c.png").resize((60, 45))
    copy.point(lambda level: min(255, level + 15)).save(tmp_path / "f.jpg", quality=70)
    flat((92, 61, 22), [], 0).save(tmp_path / "g.png")
    found = {(item.group, item.name) for item in find_duplicates(tmp_path)}
    assert found == {(1, "a.png"), (1, "g.png"), (2, "c.png"), (2, "f.jpg")}
    images = np.stack([np.asarray(Image.open(tmp_path / f"{name}.png")) for name in "abcdeg"])
    for data in (images, (images / 255).astype("float32"), images.astype("uint16") * 257):
        assert [(item.group, item.row) for item in find_duplicates(data)] == [(1, 0), (1, 5)]
