import keras
import numpy as np
import pytest

from keras_ssl.random import Stream
from keras_ssl.views.masks import RandomMask, hidden_tokens


def keep(ratio=0.75, grid=(4, 6), step=0, positions=None, n=200):
    positions = np.arange(n) if positions is None else positions
    return np.asarray(keras.ops.convert_to_numpy(RandomMask(ratio)(Stream(3, step, positions), grid)))


def test_ascending_without_repetition_and_of_a_fixed_number():
    rows = keep()
    assert rows.shape == (200, 6) and (np.diff(rows, axis=1) > 0).all()
    assert rows.min() >= 0 and rows.max() < 24


def test_every_token_is_equally_likely():
    counts = np.bincount(keep(0.5, n=2000).ravel(), minlength=24)
    np.testing.assert_allclose(counts, 1000, atol=130)  # six standard deviations


def test_a_sample_s_mask_depends_on_its_position_and_step_alone():
    rows = keep()
    np.testing.assert_array_equal(keep(positions=np.array([7, 3])), rows[[7, 3]])
    assert (keep(step=1) != rows).any()


def test_no_mask_keeps_all():
    np.testing.assert_array_equal(keep(0.0, (2, 2), n=3), [[0, 1, 2, 3]] * 3)


def test_hidden_tokens_are_the_others():
    rows = keep(0.5, (2, 3), n=4)
    hidden = np.asarray(keras.ops.convert_to_numpy(hidden_tokens(rows, (2, 3))))
    for row, own in zip(rows, hidden, strict=True):
        assert sorted(np.flatnonzero(own == 0)) == row.tolist()


def test_config_round_trip_and_bad_values():
    assert RandomMask.from_config(RandomMask(0.3).get_config()).ratio == 0.3
    with pytest.raises(ValueError, match="ratio=1"):
        RandomMask(1)
    with pytest.raises(ValueError, match="at least one of the 4 tokens"):
        RandomMask(0.9).count((2, 2))
