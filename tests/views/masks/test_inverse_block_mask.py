"""Visible blocks: how many, in one piece, everywhere."""

import keras
import numpy as np
import pytest

from keras_ssl.random import Stream
from keras_ssl.views.masks.inverse_block_mask import InverseBlockMask


def drawn(mask, grid, count=500):
    keep, hidden = mask.split(Stream(0, 0, keras.ops.arange(count, dtype="int32")), grid)
    return (keras.ops.convert_to_numpy(part) for part in (keep, hidden))


@pytest.mark.parametrize("roll", [False, True])
@pytest.mark.parametrize(("ratio", "grid"), [(0.75, (4, 4)), (0.65, (6, 5)), (0.0, (3, 3)), (0.99, (4, 4))])
def test_visible_and_hidden_make_the_grid(ratio, grid, roll):
    mask = InverseBlockMask(ratio, roll)
    keep, hidden = drawn(mask, grid)
    tokens = grid[0] * grid[1]
    assert keep.shape[1] == mask.count(grid) == max(1, round(tokens * (1 - ratio)))
    assert (np.diff(keep, axis=1) > 0).all() and (np.diff(hidden, axis=1) > 0).all()
    np.testing.assert_array_equal(
        np.sort(np.concatenate([keep, hidden], axis=1), axis=1), np.tile(range(tokens), (500, 1))
    )
    np.testing.assert_array_equal(keep, keras.ops.convert_to_numpy(mask(Stream(0, 0, np.arange(500)), grid)))


@pytest.mark.parametrize("roll", [False, True])
def test_what_is_visible_hangs_together(roll):
    """Every visible token of a block has a visible neighbor."""
    keep, _ = drawn(InverseBlockMask(0.8, roll), (6, 6), count=100)
    for row in keep:
        places = [divmod(int(token), 6) for token in row]
        for i, j in places:
            near = {(i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)}
            near = {(a % 6, b % 6) for a, b in near} if roll else near
            assert near & set(places)


def test_with_roll_each_token_is_visible_equally_often():
    for roll in (True, False):
        keep, _ = drawn(InverseBlockMask(0.75, roll), (4, 4), count=4000)
        share = np.bincount(keep.reshape(-1), minlength=16) / 4000
        assert (np.abs(share - 0.25).max() < 0.04) == roll


@pytest.mark.parametrize("ratio", [1.0, -0.1, float("nan")])
def test_refuses(ratio):
    with pytest.raises(ValueError, match=f"Received: ratio={ratio}"):
        InverseBlockMask(ratio)


def test_config_comes_back():
    mask = InverseBlockMask(0.3, True)
    assert InverseBlockMask.from_config(mask.get_config()).get_config() == {"ratio": 0.3, "roll": True}
