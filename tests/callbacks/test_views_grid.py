import numpy as np
import pytest
from PIL import Image

from keras_ssl.callbacks.views_grid import as_rgb, resized, views_grid


def noise(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def test_every_tile_is_where_it_belongs():
    """Sides of 16 are shown fourfold; 4 pixels between tiles, 16 between the samples and their views."""
    columns = [noise(2, 16, 16, 3, seed=seed) for seed in range(3)]
    picture = views_grid(columns[0], columns[1:])
    assert picture.shape == (4 + 2 * 68, 4 + 64 + 16 + 64 + 4 + 64 + 4, 3) and picture.dtype == np.uint8
    shown = np.zeros(picture.shape[:2], bool)
    for column, left in zip(columns, (4, 84, 152), strict=True):
        for row, top in enumerate((4, 72)):
            place = slice(top, top + 64), slice(left, left + 64)
            np.testing.assert_array_equal(picture[place], np.kron(column[row], np.ones((4, 4, 1), np.uint8)))
            shown[place] = True
    assert (picture[~shown] == picture[0, 0]).all()


def test_small_crops_keep_their_proportion():
    picture = views_grid(noise(1, 32, 32, 3), [noise(1, 16, 16, 3)])
    corner = picture[4:68, 84:148]
    assert (corner[32:] == picture[0, 0]).all() and (corner[:, 32:] == picture[0, 0]).all()
    np.testing.assert_array_equal(corner[:32, :32:2][::2], noise(1, 16, 16, 3)[0])


def test_large_images_are_reduced_by_averaging():
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, None, :, None], 256, axis=1)
    picture = views_grid(ramp, [ramp])
    assert picture.shape[0] == 4 + 128 + 4
    np.testing.assert_allclose(picture[50, 4:132, 0], np.arange(256).reshape(128, 2).mean(1), atol=0.5)


def test_floats_are_rounded_and_clipped():
    values = np.array([-0.5, 0.0, 0.1, 0.999, 1.0, 3.0], "float32").reshape(1, 1, 6, 1)
    assert as_rgb(values)[0, 0, :, 0].tolist() == [0, 0, 26, 255, 255, 255]


@pytest.mark.parametrize(("channels", "expected"), [(1, [0, 0, 0]), (2, [0, 0, 0]), (3, [0, 1, 2]), (5, [0, 1, 2])])
def test_any_number_of_channels(channels, expected):
    images = np.broadcast_to(np.arange(channels, dtype=np.uint8), (1, 2, 2, channels))
    assert as_rgb(images)[0, 0, 0].tolist() == expected


def test_resizing_does_not_leave_the_image():
    assert resized(noise(300, 2, 3), 0.1).shape == (30, 1, 3)
    enlarged = np.asarray(Image.fromarray(noise(3, 2, 3)).resize((4, 6), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(resized(noise(3, 2, 3), 2), enlarged)
