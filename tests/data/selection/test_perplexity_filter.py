import numpy as np
import pytest

from keras_ssl.data import PerplexityFilter


@pytest.mark.parametrize(("share", "count"), [(0.2, 10), (0.5, 25), (1.0, 50), (0.001, 1), (0.33, 16)])
def test_keeps_exactly_the_share_of_the_lowest(share, count):
    losses = np.random.default_rng(0).normal(size=50)
    kept = PerplexityFilter(share)(losses)
    assert len(kept) == count and kept.dtype == np.int64 and (np.diff(kept) > 0).all()
    assert set(losses[kept]) == set(np.sort(losses)[:count])


def test_the_choice_does_not_depend_on_the_order_nor_on_the_scale():
    losses = np.random.default_rng(1).exponential(size=40)
    order = np.random.default_rng(2).permutation(40)
    kept = PerplexityFilter(0.3)(losses)
    assert set(order[PerplexityFilter(0.3)(losses[order])]) == set(kept)
    np.testing.assert_array_equal(PerplexityFilter(0.3)(np.exp(losses)), kept)


def test_of_equal_losses_the_first_are_kept_and_infinite_ones_go_first():
    assert PerplexityFilter(0.5)([1.0, 1.0, 1.0, 1.0]).tolist() == [0, 1]
    assert PerplexityFilter(0.5)([np.inf, 2.0, np.inf, 1.0]).tolist() == [1, 3]


@pytest.mark.parametrize("share", [0, 1.5, -0.1, True, "a", float("nan")])
def test_share_is_checked(share):
    with pytest.raises(ValueError, match=r"`share` must be a number in \(0, 1\]. Received: share="):
        PerplexityFilter(share)


@pytest.mark.parametrize(("losses", "message"), [([], "vector"), ([[1.0]], "vector"), ([1.0, np.nan], "NaN at 1")])
def test_losses_are_checked(losses, message):
    with pytest.raises(ValueError, match=message):
        PerplexityFilter()(losses)
