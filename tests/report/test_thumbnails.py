import base64
import io

import numpy as np
import pytest
from PIL import Image

from keras_ssl.report.thumbnails import SIDE, data_uri, sprite, thumbnails


def picture_of(uri):
    head, code = uri.split(",")
    assert head == "data:image/jpeg;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(code))).convert("RGB"))


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize(
    "scale, kind", [(1, "uint8"), (1, "int64"), (1, "float32"), (1 / 255, "float32"), (1 / 255, "float16")]
)
def test_pixels_of_every_kind_show_alike(channels, scale, kind):
    images = (np.arange(3)[:, None, None, None] * np.full((1, 8, 8, channels), 100) * scale).astype(kind)
    shown = [np.asarray(picture) for picture in thumbnails(images, np.array([2, 0, 1]))]
    for picture, gray in zip(shown, (200, 0, 100), strict=True):
        assert picture.shape == (8, 8, 3)
        np.testing.assert_allclose(picture, gray, atol=1)


def test_other_ranges_are_stretched_and_what_is_not_finite_is_shown_as_zero():
    images = np.array([-2.0, 0.0, 2.0, np.nan]).reshape(4, 1, 1, 1) * np.ones((1, 4, 4, 1))
    shown = [int(np.asarray(picture)[0, 0, 0]) for picture in thumbnails(images, np.arange(4))]
    assert shown == [0, 128, 255, 128]
    same = thumbnails(np.full((2, 4, 4, 3), 900), np.arange(2))
    assert np.asarray(same[0]).max() == 0
    assert np.asarray(thumbnails(np.ones((1, 4, 4, 1), bool), np.arange(1))[0]).min() == 255


@pytest.mark.parametrize("shape", [(2, 8), (2, 8, 8), (2, 8, 8, 2), (2, 8, 8, 13), (2, 3, 8, 8, 3)])
def test_what_is_no_image_has_none(shape):
    assert thumbnails(np.zeros(shape), np.arange(2)) == []
    assert thumbnails(None, np.arange(2)) == []
    assert thumbnails(np.full((2, 4, 4, 3), "a"), np.arange(2)) == []


def test_large_images_shrink_and_addresses_hold_the_picture():
    rng = np.random.default_rng(0)
    images = np.kron(rng.integers(0, 256, (1, 8, 16, 3)), np.ones((1, 16, 16, 1))).astype("uint8")
    (picture,) = thumbnails(images, np.arange(1))
    assert picture.size == (SIDE, SIDE // 2)
    np.testing.assert_allclose(np.asarray(picture)[1, 1], images[0, 4, 4], atol=30)
    np.testing.assert_allclose(picture_of(data_uri(picture)), np.asarray(picture), atol=40)


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_a_sprite_has_every_picture_in_its_place(count):
    images = np.arange(count, dtype="uint8")[:, None, None, None] * np.full((1, 4, 6, 3), 20, "uint8")
    sheet, columns = sprite(thumbnails(images, np.arange(count)))
    pixels = np.asarray(sheet)
    for number in range(count):
        row, column = divmod(number, columns)
        tile = pixels[4 * row : 4 * row + 4, 6 * column : 6 * column + 6]
        assert tile.shape == (4, 6, 3) and (tile == 20 * number).all()
