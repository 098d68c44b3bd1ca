"""Folders of images and masks: what is read, and what is refused by name."""

import numpy as np
import pytest
from PIL import Image

from keras_ssl.data import load_masks

pytestmark = pytest.mark.once


def write(folder, name, array, mode=None):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    if mode == "P":
        image = image.convert("P") if array.ndim == 3 else Image.fromarray(array, mode="L").convert("P")
    image.save(path)


def scene(height=6, width=8, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3)).astype("uint8"), rng.integers(0, 4, (height, width)).astype("uint8")


@pytest.fixture
def folders(tmp_path):
    for seed, name in enumerate(("b", "a", "park/1")):
        image, mask = scene(seed=seed)
        write(tmp_path / "images", f"{name}.png", image)
        write(tmp_path / "masks", f"{name}.bmp" if name == "b" else f"{name}.png", mask)
    return tmp_path / "images", tmp_path / "masks"


def test_images_and_masks_come_in_the_order_of_their_stems(folders):
    images, masks, stems = load_masks(*folders)
    assert stems == ("a", "b", "park/1")
    assert images.dtype == np.uint8 and masks.dtype == np.int32
    for place, seed in enumerate((1, 0, 2)):
        image, mask = scene(seed=seed)
        np.testing.assert_array_equal(images[place], image)
        np.testing.assert_array_equal(masks[place], mask)


def test_palettes_and_16_bits_keep_their_numbers_and_255_is_unlabeled(tmp_path):
    image, mask = scene()
    write(tmp_path / "images", "a.png", image)
    write(tmp_path / "images", "b.png", image)
    mask[0, 0] = 255
    palette = Image.fromarray(mask, mode="P")
    palette.putpalette([value for number in range(256) for value in (255 - number, number, 7)])
    (tmp_path / "masks").mkdir()
    palette.save(tmp_path / "masks/a.png")
    Image.fromarray(mask.astype("uint16") + 300).save(tmp_path / "masks/b.png")
    _, masks, _ = load_masks(tmp_path / "images", tmp_path / "masks")
    assert masks[0, 0, 0] == -1 and (masks[0].ravel()[1:] == mask.ravel()[1:]).all()
    np.testing.assert_array_equal(masks[1], mask.astype(int) + 300)
    assert load_masks(tmp_path / "images", tmp_path / "masks", ignore=None)[1][0, 0, 0] == 255


def test_size_takes_the_center_square_of_both(tmp_path):
    image, mask = np.zeros((4, 8, 3), "uint8"), np.zeros((4, 8), "uint8")
    image[:, 2:4], mask[:, 2:4] = 200, 3
    write(tmp_path / "images", "a.png", image)
    write(tmp_path / "masks", "a.png", mask)
    write(tmp_path / "images", "b.png", image[:, :5])
    write(tmp_path / "masks", "b.png", mask[:, :5])
    images, masks, _ = load_masks(tmp_path / "images", tmp_path / "masks", size=4)
    np.testing.assert_array_equal(images[0], image[:, 2:6])
    np.testing.assert_array_equal(masks[0], mask[:, 2:6])
    assert masks.shape == (2, 4, 4) and set(np.unique(masks)) == {0, 3}


def test_errors_name_the_file(folders, tmp_path):
    image, mask = scene()
    images, masks = folders

    def refused(match, **options):
        with pytest.raises(ValueError, match=match):
            load_masks(images, masks, **options)

    write(images, "c.png", image)
    refused(r"partner of the same stem in `masks`. Received: images=.* with 'c.png' \(1 such files\)")
    (images / "c.png").unlink()
    write(masks, "d.png", mask)
    refused(r"in `images`. Received: masks=.* with 'd.png'")
    (masks / "d.png").unlink()
    write(masks, "a.png", mask[:5])
    refused(r"size of its image, 8 x 6 pixels. Received: masks=.* with 'a.png' of 8 x 5 pixels")
    write(masks, "a.png", image)
    refused(r"one channel of whole numbers. Received: masks=.* with 'a.png' of 3 channels \(mode RGB\)")
    write(masks, "a.png", mask)
    write(images, "b.png", image[:, :6])
    write(masks, "b.bmp", mask[:, :6])
    refused(r"one size, 8 x 6 pixels as the first. Received: size=None, images=.* with 'b.png' of 6 x 6 pixels")
    assert load_masks(images, masks, size=6)[0].shape == (3, 6, 6, 3)
    write(images, "b.jpg", image)
    refused(r"differ in more than their ending. Received: images=.* with 'b.jpg' and 'b.png'")
    (images / "b.jpg").unlink()
    (images / "b.png").write_bytes(b"no image")
    refused(r"cannot be read .*Received: .*b.png", size=6)
    refused("Received: size=0", size=0)
    refused("Received: ignore=-1", ignore=-1)
    with pytest.raises(ValueError, match="`masks` must be a folder. Received: masks="):
        load_masks(images, tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="`images` must hold image files. Received: images="):
        load_masks(tmp_path / "empty", masks)
