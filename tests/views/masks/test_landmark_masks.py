"""The masks of SimMIM, iBOT and I-JEPA."""

import keras
import numpy as np
import pytest

from keras_ssl.random import Stream
from keras_ssl.views.masks.multi_block_mask import MultiBlockMask
from keras_ssl.views.masks.ratio_mask import RatioMask
from keras_ssl.views.masks.unit_mask import UnitMask


def stream(count=200, step=0):
    return Stream(3, step, np.arange(count))


def numbers(x):
    return keras.ops.convert_to_numpy(x)


def test_unit_mask_hides_whole_squares_and_an_exact_number():
    hidden = numbers(UnitMask(0.6, 2).hidden(stream(), (6, 8))).reshape(-1, 3, 2, 4, 2)
    squares = hidden[:, :, 0, :, 0]
    assert (hidden == squares[:, :, None, :, None]).all()
    assert (squares.sum(axis=(1, 2)) == 8).all()  # ceil(12 * 0.6)
    np.testing.assert_allclose(squares.mean(axis=0), 8 / 12, atol=0.15)


def test_unit_mask_cuts_squares_off_at_the_edge():
    assert numbers(UnitMask(0.5, 2).hidden(stream(4), (3, 3))).shape == (4, 9)
    assert numbers(UnitMask(0.0).hidden(stream(4), (4, 4))).sum() == 0


@pytest.mark.parametrize("shape", ["block", "random"])
def test_ratio_mask_hides_a_share_of_some_images(shape):
    mask = RatioMask((0.1, 0.5), 0.5, shape)
    places, chosen = (numbers(x) for x in mask.draw(stream(2000), (6, 6)))
    assert places.shape == chosen.shape == (2000, 18) and all(len(set(row)) == 18 for row in places)
    counts = chosen.sum(axis=1)
    assert abs((counts == 0).mean() - 0.5) < 0.05
    assert set(counts[counts > 0]) == set(range(3, 18))
    assert (np.diff(chosen, axis=1) <= 0).all()  # those that count come first


def test_blocks_are_connected_and_random_masks_are_not():
    def spread(shape):
        places, chosen = (numbers(x) for x in RatioMask((0.25, 0.25), 1.0, shape).draw(stream(300), (8, 8)))
        rows, columns = places // 8, places % 8
        assert (chosen == 1).all()
        return np.mean(rows.std(axis=1) + columns.std(axis=1))

    assert spread("block") < 0.7 * spread("random")


def test_always_and_never():
    assert numbers(RatioMask((0.5, 0.5), 1.0).draw(stream(5), (4, 4))[1]).sum() == 40
    assert numbers(RatioMask((0.5, 0.5), 0.0).draw(stream(5), (4, 4))[1]).sum() == 0


@pytest.mark.parametrize(("grid", "context"), [((6, 6), 1.0), ((8, 8), 0.9), ((5, 9), 1.0)])
def test_targets_are_rectangles_outside_of_the_context(grid, context):
    mask = MultiBlockMask(0.1, targets=3, context=context)
    seen, targets = (numbers(x) for x in mask.split(stream(), grid))
    height, width = mask.sides(grid)
    assert seen.shape == (200, mask.counts(grid)[0]) and targets.shape == (200, 3, height * width)
    shapes = set()
    for kept, blocks in zip(seen, targets, strict=True):
        assert len(set(kept)) == len(kept) and (np.diff(kept) > 0).all()
        for block in blocks:
            rows, columns = np.unique(block // grid[1]), np.unique(block % grid[1])
            assert len(rows) * len(columns) == len(block) == len(set(block))
            assert np.ptp(rows) == len(rows) - 1 and np.ptp(columns) == len(columns) - 1
            shapes.add((len(rows), len(columns)))
            assert not set(block) & set(kept)
    assert shapes == {(height, width), (width, height)}


def test_the_context_lies_within_its_block():
    seen = numbers(MultiBlockMask(0.02, targets=1, context=0.25).split(stream(), (8, 8))[0])
    assert np.ptp(seen // 8, axis=1).max() <= 3 and np.ptp(seen % 8, axis=1).max() <= 3


def test_draws_follow_from_the_step():
    for mask in (MultiBlockMask(0.1), RatioMask(probability=1.0)):
        draw = mask.split if isinstance(mask, MultiBlockMask) else mask.draw
        first, again, later = (numbers(draw(stream(8, step), (6, 6))[0]) for step in (0, 0, 1))
        np.testing.assert_array_equal(first, again)
        assert (first != later).any()


@pytest.mark.parametrize(
    "mask", [UnitMask(0.3, 3), RatioMask((0.2, 0.3), 0.4, "random"), MultiBlockMask(0.1, 2, 1.5, 0.8)]
)
def test_config_makes_it_again(mask):
    assert type(mask)(**mask.get_config()).get_config() == mask.get_config()


@pytest.mark.parametrize(
    "call",
    [
        lambda: UnitMask(1.0),
        lambda: UnitMask(float("nan")),
        lambda: UnitMask(0.5, 0),
        lambda: RatioMask((0.5, 0.1)),
        lambda: RatioMask((0.1, 1.0)),
        lambda: RatioMask(0.5),
        lambda: RatioMask(probability=1.5),
        lambda: RatioMask(shape="ring"),
        lambda: MultiBlockMask(0.0),
        lambda: MultiBlockMask(targets=0),
        lambda: MultiBlockMask(aspect=0.5),
        lambda: MultiBlockMask(context=1.5),
        lambda: MultiBlockMask(0.3, targets=4).counts((6, 6)),
    ],
)
def test_refuses(call):
    with pytest.raises(ValueError, match="Received: "):
        call()
