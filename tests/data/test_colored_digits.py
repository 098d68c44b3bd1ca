import hashlib

import numpy as np
import pytest

from keras_ssl.data import colored_digits
from keras_ssl.data.colored_digits import _glyphs, _taps


@pytest.mark.parametrize(
    ("split", "seed", "size", "textured", "digest"),
    [
        ("train", 0, 16, False, "de480598c48b80bca0b51b05d84140d60ab6192fa2229adcf435812f36b45541"),
        ("test", 7, 24, True, "4065c75ad5e895bf929656de511af1ee0172dea92eec3e57654803b8d5e457b5"),
    ],
)
def test_the_bytes_never_change(split, seed, size, textured, digest):
    images, labels = colored_digits(split, seed=seed, size=size, count=32, textured=textured)
    content = images.tobytes() + labels.astype("<i8").tobytes()
    assert hashlib.sha256(content).hexdigest() == digest


def test_shapes_types_and_defaults():
    images, labels = colored_digits("test")
    assert images.shape == (2000, 16, 16, 3) and images.dtype == np.uint8
    assert labels.shape == (2000,) and labels.dtype == np.int64
    assert set(labels) == set(range(10))
    assert np.bincount(labels).min() > 150


def test_an_image_does_not_depend_on_count_but_on_seed_and_split():
    images, labels = colored_digits("train", count=40)
    more, more_labels = colored_digits("train", count=1500)
    np.testing.assert_array_equal(images, more[:40])
    np.testing.assert_array_equal(labels, more_labels[:40])
    assert (images != colored_digits("train", seed=1, count=40)[0]).mean() > 0.9
    assert (images != colored_digits("test", count=40)[0]).mean() > 0.9


def test_large_sets_are_drawn_in_parts():
    whole, _ = colored_digits("test", size=32, count=2100)  # 2,048 images of this size make a part
    few, _ = colored_digits("test", size=32, count=2050)
    np.testing.assert_array_equal(whole[:2050], few)


def test_splits_share_no_glyph_and_cover_all_digits():
    from sklearn.datasets import load_digits

    train, train_labels = _glyphs("train")
    test, test_labels = _glyphs("test")
    assert len(train) + len(test) == len(load_digits().target)
    together = np.concatenate([train, test]).reshape(-1, 64)
    assert len(np.unique(together, axis=0)) == len(together)
    share = np.bincount(test_labels) / (np.bincount(test_labels) + np.bincount(train_labels))
    assert np.all((share > 0.19) & (share <= 0.2))


def test_each_round_uses_every_glyph_once():
    glyphs, targets = _glyphs("test")
    _, labels = colored_digits("test", count=2 * len(glyphs))
    for part in (labels[: len(glyphs)], labels[len(glyphs) :]):
        np.testing.assert_array_equal(np.sort(part), np.sort(targets))
    assert (labels[: len(glyphs)] != labels[len(glyphs) :]).any()


def test_glyph_is_scaled_bilinearly():
    """Against interpolation by definition: a triangle around each output pixel, zero beyond the glyph."""
    size, start, side, cells = 16, 3.25, 10.5, 8
    taps = _taps(size, np.array([int(start * 256)]), np.array([int(side * 256)]), cells)[0] / 256
    for pixel in range(size):
        place = (pixel + 0.5 - start) / side * cells - 0.5
        expected = [max(0.0, 1 - abs(place - cell)) for cell in range(cells)]
        np.testing.assert_allclose(taps[pixel], expected, atol=2 / 256)


@pytest.mark.parametrize("textured", [False, True])
def test_ink_stands_out_in_both_directions(textured):
    images, _ = colored_digits("train", count=400, size=32, textured=textured)
    luma = images.astype(float) @ [0.299, 0.587, 0.114]
    border = np.concatenate([luma[:, 0], luma[:, -1]], axis=1)
    ground = np.median(border, axis=1)[:, np.newaxis, np.newaxis]
    difference = (luma - ground).reshape(400, -1)
    strongest = np.take_along_axis(difference, np.abs(difference).argmax(axis=1)[:, np.newaxis], axis=1)
    assert np.abs(strongest).min() > (30 if textured else 55)
    assert 0.3 < (strongest > 0).mean() < 0.7


def test_flat_backgrounds_have_one_color_and_textured_ones_many():
    flat = colored_digits("train", count=50, size=16)[0].reshape(50, -1, 3)
    textured = colored_digits("train", count=50, size=16, textured=True)[0].reshape(50, -1, 3)
    commonest = [np.unique(image, axis=0, return_counts=True)[1].max() for image in flat]
    assert min(commonest) > 40
    assert max(np.unique(image, axis=0, return_counts=True)[1].max() for image in textured) < 100


def test_place_and_scale_vary():
    images, _ = colored_digits("train", count=300, size=32)
    ground = np.median(images.reshape(300, -1, 3), axis=1)[:, np.newaxis, np.newaxis]
    ink = np.abs(images - ground).max(axis=-1) > 40
    height = ink.any(axis=2).sum(axis=1)
    top = ink.any(axis=2).argmax(axis=1)
    assert height.min() <= 18 and 25 <= height.max() <= 32
    assert top.min() <= 2 and top.max() >= 12


def test_pixels_alone_say_little():
    """What makes the set a test of learning: neighbors in pixel space are seldom of one class."""
    from sklearn.neighbors import KNeighborsClassifier

    train, train_labels = colored_digits("train", count=3000)
    test, test_labels = colored_digits("test", count=500)
    pixels = KNeighborsClassifier(20, weights="distance").fit(train.reshape(3000, -1), train_labels)
    assert pixels.score(test.reshape(500, -1), test_labels) < 0.4
    # The same glyphs before drawing: what is to be learned is there.
    glyphs = KNeighborsClassifier(20).fit(_glyphs("train")[0].reshape(-1, 64), _glyphs("train")[1])
    assert glyphs.score(_glyphs("test")[0].reshape(-1, 64), _glyphs("test")[1]) > 0.95


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"split": "valid"}, r"`split`.*Received: split='valid'"),
        ({"size": 15}, r"`size`.*16 to 32.*Received: size=15"),
        ({"size": 33}, r"Received: size=33"),
        ({"size": 16.5}, r"Received: size=16.5"),
        ({"count": 0}, r"`count`.*Received: count=0"),
        ({"seed": -1}, r"`seed`.*Received: seed=-1"),
        ({"seed": 2**32}, r"Received: seed=4294967296"),
        ({"seed": True}, r"Received: seed=True"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        colored_digits(**arguments)
