import math

import keras
import numpy as np
import pytest
from keras import ops

from keras_ssl.random import Stream
from keras_ssl.testing.check_view import check_view
from keras_ssl.views import RandomResizedCrop, functional

# The first boxes (top, left, height, width) of seed 5, step 1 in an image of 40 x 32 pixels, on every
# backend.
FIRST_BOXES = ((3, 1, 31, 28), (16, 13, 23, 18), (12, 0, 23, 28), (5, 2, 32, 29))


def boxes_of(view, count, height, width, seed=5, step=1):
    return np.stack(
        [ops.convert_to_numpy(b) for b in view.boxes(Stream(seed, step, np.arange(count)), height, width)], 1
    )


def reference_boxes(rng, count, height, width, scale, ratio):
    """torchvision's rejection loop, one box at a time, with a generator of its own."""
    boxes = []
    for _ in range(count):
        for _ in range(10):
            area = height * width * rng.uniform(*scale)
            shape = math.exp(rng.uniform(math.log(ratio[0]), math.log(ratio[1])))
            w, h = round(math.sqrt(area * shape)), round(math.sqrt(area / shape))
            if 0 < w <= width and 0 < h <= height:
                boxes.append((rng.integers(0, height - h + 1), rng.integers(0, width - w + 1), h, w))
                break
        else:
            h, w = height, width
            if width / height < ratio[0]:
                h = round(w / ratio[0])
            elif width / height > ratio[1]:
                w = round(h * ratio[1])
            boxes.append(((height - h) // 2, (width - w) // 2, h, w))
    return np.array(boxes)


@pytest.mark.parametrize(
    ("height", "width", "scale", "ratio"),
    [
        (20, 16, (0.08, 1.0), (3 / 4, 4 / 3)),
        (12, 40, (0.5, 1.0), (3 / 4, 4 / 3)),  # most draws do not fit: the central box
        (40, 12, (0.6, 1.0), (1.0, 2.0)),
        (9, 9, (0.02, 0.1), (0.2, 5.0)),
    ],
)
def test_boxes_are_distributed_as_torchvisions(height, width, scale, ratio):
    count = 20000
    got = boxes_of(RandomResizedCrop(scale=scale, ratio=ratio), count, height, width)
    expected = reference_boxes(np.random.default_rng(0), count, height, width, scale, ratio)
    for column, length in enumerate((height, width, height, width)):
        frequencies = [np.bincount(b[:, column], minlength=length + 1) / count for b in (got, expected)]
        # Five standard errors of the difference of two frequencies.
        tolerance = 5 * np.sqrt(2 * np.maximum(frequencies[1], 1 / count) / count)
        assert (np.abs(frequencies[0] - frequencies[1]) <= tolerance).all()
    assert (got[:, :2] >= 0).all() and (got[:, 2:] >= 1).all()
    assert (got[:, 0] + got[:, 2] <= height).all() and (got[:, 1] + got[:, 3] <= width).all()


@pytest.mark.slow
def test_the_first_fitting_draw_is_taken():
    """Each sample's box, computed in double precision from the same draws."""
    height, width, count = 33, 27, 500
    got = boxes_of(RandomResizedCrop(), count, height, width)
    draws = ops.convert_to_numpy(Stream(5, 1, np.arange(count)).uniform(shape=(22,))).astype("float64")
    low, high = round(0.08 * 2**15), 2**15
    for n, row in enumerate(draws):
        for area_draw, ratio_draw in zip(row[:10], row[10:20], strict=True):
            units = low + (high - low) * math.floor(area_draw * 2**16) // 2**16
            area = units / 2**15 * height * width
            ratio = 0.75 * (16 / 9) ** (math.floor(ratio_draw * 2**16) / 2**16)
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if w <= width and h <= height:
                break
        else:
            h, w = height, width  # 27/33 lies within the ratios
        assert tuple(got[n, 2:]) == (h, w)
        if (h, w) != (height, width):
            assert tuple(got[n, :2]) == (int(row[20] * (height - h + 1)), int(row[21] * (width - w + 1)))


@pytest.mark.slow
def test_boxes_are_the_same_compiled_and_on_every_backend():
    view = RandomResizedCrop()

    def draw(step):
        return ops.stack(view.boxes(Stream(5, step, np.arange(3000)), 40, 32), axis=1)

    if keras.backend.backend() == "jax":
        import jax

        program = jax.jit(draw)
    else:
        import tensorflow as tf

        program = tf.function(draw, jit_compile=True, autograph=False)
    step = ops.convert_to_tensor(np.uint32(1))
    eager = ops.convert_to_numpy(draw(step))
    np.testing.assert_array_equal(ops.convert_to_numpy(program(step)), eager)
    assert tuple(tuple(int(v) for v in box) for box in eager[:4]) == FIRST_BOXES


@pytest.mark.slow
def test_resizes_the_box_that_was_drawn(unit, see, make_stream):
    for interpolation in ("bilinear", "bicubic"):
        view = RandomResizedCrop((9, 7), interpolation=interpolation)
        expected = functional.crop_and_resize(unit, *view.boxes(make_stream(4), 20, 16), (9, 7), interpolation)
        expected = np.clip(ops.convert_to_numpy(expected), 0, 1)
        np.testing.assert_allclose(see(view, unit), expected, atol=1e-6)


@pytest.mark.slow
def test_bicubic_is_clipped(see):
    images = np.random.default_rng(0).choice([0.0, 1.0], (64, 6, 6, 1)).astype("float32")
    got = see(RandomResizedCrop(24, interpolation="bicubic"), images)
    assert got.min() == 0.0 and got.max() == 1.0


def test_the_whole_image_at_its_own_size_is_the_image(unit, see):
    np.testing.assert_allclose(see(RandomResizedCrop(scale=(1, 1), ratio=(0.8, 0.8)), unit), unit, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("size", [None, 5, (6, 3)])
def test_size(see, size):
    got = see(RandomResizedCrop(size), np.zeros((2, 8, 10, 4), "uint8"))
    assert got.shape == {None: (2, 8, 10, 4), 5: (2, 5, 5, 4), (6, 3): (2, 6, 3, 4)}[size]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", 0),
        ("size", (4, -1)),
        ("scale", (0.0, 1.0)),
        ("scale", (0.5, 1.2)),
        ("scale", (0.9, 0.1)),
        ("scale", 0.5),
        ("ratio", (0.0, 1.0)),
        ("ratio", (2.0, 1.0)),
        ("interpolation", "nearest"),
    ],
)
def test_bad_arguments(name, value):
    with pytest.raises(ValueError, match=f"`{name}` must be .*Received: {name}="):
        RandomResizedCrop(**{name: value})


@pytest.mark.slow
def test_conforms():
    check_view(RandomResizedCrop())


@pytest.mark.slow
def test_conforms_where_only_one_box_fits():
    check_view(RandomResizedCrop(scale=(1.0, 1.0)), image_size=6)
    check_view(RandomResizedCrop(scale=(1.0, 1.0), ratio=(2.0, 3.0)), image_size=6)


@pytest.mark.slow
def test_conforms_at_another_size():
    check_view(RandomResizedCrop(8, interpolation="bicubic"), image_size=10, channels=2)
