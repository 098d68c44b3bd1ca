import keras
import numpy as np
import pytest

from keras_ssl.random import Stream
from keras_ssl.views.masks import ContextTargetMask


def split(mask, grid=(12,), step=0, positions=None):
    positions = np.arange(300) if positions is None else positions
    return [np.asarray(keras.ops.convert_to_numpy(part)) for part in mask.split(Stream(3, step, positions), grid)]


@pytest.mark.parametrize(
    ("context", "target", "tokens", "sizes"),
    [(0.5, 0.25, 12, (6, 3)), (0.3, 0.7, 10, (3, 7)), (0.1, 0.1, 3, (1, 1)), (0.5, 0.5, 9, (4, 4))],
)
def test_context_and_targets_are_disjoint_not_empty_and_within_their_shares(context, target, tokens, sizes):
    seen, wanted = split(ContextTargetMask(context, target, targets=3), (tokens,))
    assert seen.shape == (300, sizes[0]) and wanted.shape == (300, 3, sizes[1])
    for row, parts in zip(seen, wanted, strict=True):
        assert len(set(row)) == sizes[0]
        for part in parts:
            assert len(set(part)) == sizes[1] and not set(part) & set(row)
            assert (np.diff(part) > 0).all()
    assert min(seen.min(), wanted.min()) == 0 and max(seen.max(), wanted.max()) == tokens - 1


def test_every_token_is_equally_likely_in_both():
    seen, wanted = split(ContextTargetMask(0.5, 0.25, 2), positions=np.arange(2000))
    np.testing.assert_allclose(np.bincount(seen.ravel(), minlength=12), 1000, atol=135)  # six standard deviations
    np.testing.assert_allclose(np.bincount(wanted[:, 1].ravel(), minlength=12), 500, atol=117)
    assert (wanted[:, 0] != wanted[:, 1]).any(axis=1).mean() > 0.9


def test_a_sample_s_parts_depend_on_its_position_and_step_alone():
    mask = ContextTargetMask()
    for mine, part, later in zip(
        split(mask), split(mask, positions=np.array([7, 3])), split(mask, step=1), strict=True
    ):
        np.testing.assert_array_equal(part, mine[[7, 3]])
        assert (mine != later).any()


def test_called_it_gives_the_context():
    mask = ContextTargetMask(0.4, 0.2)
    called = np.asarray(keras.ops.convert_to_numpy(mask(Stream(3, 0, np.arange(300)), (3, 4))))
    np.testing.assert_array_equal(called, split(mask, (3, 4))[0])
    assert called.shape[1] == mask.count((3, 4)) == 4


def test_config_round_trip_and_bad_values():
    mask = ContextTargetMask(0.3, 0.2, 5)
    assert repr(ContextTargetMask.from_config(mask.get_config())) == repr(mask)
    with pytest.raises(ValueError, match="context=0"):
        ContextTargetMask(0)
    with pytest.raises(ValueError, match="target=1.5"):
        ContextTargetMask(0.5, 1.5)
    with pytest.raises(ValueError, match="two tokens or more. Received: 1 tokens"):
        mask.count((1, 1))
