"""Scenes of digits: what masks say, which draws are the same, that the digits can be seen."""

import hashlib

import numpy as np
import pytest

from keras_ssl.data import digit_scenes

pytestmark = pytest.mark.once


def test_shapes_and_types():
    images, masks = digit_scenes("train", size=24, count=5, digits=4)
    assert images.shape == (5, 24, 24, 3) and images.dtype == np.uint8
    assert masks.shape == (5, 24, 24) and masks.dtype == np.int32


def test_a_scene_does_not_depend_on_count_but_on_seed_and_split():
    few, few_masks = digit_scenes("test", count=7, digits=3)
    many, many_masks = digit_scenes("test", count=1100, digits=3)  # in two parts of 1,024
    np.testing.assert_array_equal(few, many[:7])
    np.testing.assert_array_equal(few_masks, many_masks[:7])
    np.testing.assert_array_equal(many[1030], digit_scenes("test", count=1031, digits=3)[0][1030])
    assert (few != digit_scenes("test", seed=1, count=7, digits=3)[0]).mean() > 0.9
    assert (few != digit_scenes("train", count=7, digits=3)[0]).mean() > 0.9


def test_every_digit_is_seen_and_stands_out():
    images, masks = digit_scenes("train", count=300, digits=3)
    luma = images.astype(float) @ [0.299, 0.587, 0.114]
    hidden = 0
    for image, scene, mask in zip(luma, images.astype(int), masks, strict=True):
        back = np.median(image[mask == 0])
        for number in (1, 2, 3):
            hidden += (mask == number).sum() < 8
            if (mask == number).any():
                assert abs(np.median(image[mask == number]) - back) > 20
        assert not np.isin(mask, (0, 1, 2, 3), invert=True).any()
        assert scene.shape == (32, 32, 3)
    assert hidden <= 3  # of 900


def test_classes_are_those_of_the_objects():
    """The two kinds of masks have the same regions; one region of objects has one class."""
    _, objects = digit_scenes("test", count=40, digits=3)
    _, classes = digit_scenes("test", count=40, digits=3, masks="classes")
    np.testing.assert_array_equal(objects == 0, classes == 0)
    seen = set()
    for mask, named in zip(objects, classes, strict=True):
        for number in (1, 2, 3):
            found = np.unique(named[mask == number])
            assert len(found) <= 1 and (not len(found) or 1 <= found[0] <= 10)
            seen |= set(found.tolist())
    assert seen == set(range(1, 11))


def test_a_single_digit_is_painted_where_its_mask_is():
    """Of one digit on a plain ground, the mask is the pixels nearer to the ink than to the ground."""
    images, masks = digit_scenes("train", count=50, digits=1)
    for image, mask in zip(images.astype(float), masks, strict=True):
        border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
        ground = border[np.abs(border - np.median(border, axis=0)).sum(axis=1).argmin()]
        distance = np.abs(image - ground).sum(axis=-1)
        ink = distance.max()
        assert (distance[mask == 1] >= 0.49 * ink).all() and (distance[mask == 0] <= 0.51 * ink).all()


def test_digits_overlap_little():
    _, two = digit_scenes("train", count=200, digits=2)
    alone = digit_scenes("train", count=200, digits=1)[1]
    assert (two == 0).mean() < (alone == 0).mean()  # there is more ink than with one
    assert [(two == number).sum(axis=(1, 2)).min() > 8 for number in (1, 2)] == [True, True]


def test_a_textured_ground_is_not_plain():
    plain, textured = (digit_scenes("train", count=20, textured=flag)[0].astype(float) for flag in (False, True))
    assert textured[:, :4, :4].std(axis=(1, 2)).mean() > 2 * plain[:, :4, :4].std(axis=(1, 2)).mean()


def test_the_bytes_never_change():
    images, masks = digit_scenes("test", seed=7, size=28, count=16, digits=3, textured=True)
    assert hashlib.sha256(images.tobytes() + masks.astype("<i4").tobytes()).hexdigest() == DIGEST


DIGEST = "40ecec0f77ff2422ae20968a370bf6d956da6e4cba5677528fc7469190abdcca"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "valid"}, "split='valid'"),
        ({"masks": "pixels"}, "masks='pixels'"),
        ({"digits": 5}, "digits=5"),
        ({"digits": 0}, "digits=0"),
        ({"size": 16}, "size=16"),
        ({"count": 0}, "count=0"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        digit_scenes(**options)
