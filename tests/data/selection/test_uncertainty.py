"""The samples with the most uncertain predictions."""

import numpy as np
import pytest
from scipy.stats import entropy

from keras_ssl.data import Uncertainty

pytestmark = pytest.mark.once
SHARES = np.random.default_rng(0).dirichlet([0.5, 1.0, 2.0], 50)


def test_measures_are_their_formulas():
    top = np.sort(SHARES, axis=1)[:, ::-1]
    np.testing.assert_allclose(Uncertainty(1, "entropy").uncertainty(SHARES), entropy(SHARES, axis=1))
    np.testing.assert_allclose(Uncertainty(1, "margin").uncertainty(SHARES), 1 - (top[:, 0] - top[:, 1]))
    np.testing.assert_allclose(Uncertainty(1, "least_confident").uncertainty(SHARES), 1 - top[:, 0])


@pytest.mark.parametrize("measure", ["margin", "entropy", "least_confident"])
def test_the_most_uncertain_come_first_and_labeled_ones_never(measure):
    values = Uncertainty(1, measure).uncertainty(SHARES)
    chosen = Uncertainty(10, measure).select(SHARES)
    np.testing.assert_array_equal(values[chosen], np.sort(values)[::-1][:10])
    np.testing.assert_array_equal(Uncertainty(7, measure).select(SHARES, chosen[:3]), chosen[3:])


def test_two_classes_have_one_order():
    share = np.random.default_rng(1).uniform(size=20)
    pairs = np.stack([share, 1 - share], axis=1)
    orders = [Uncertainty(20, measure).select(pairs).tolist() for measure in ("margin", "entropy", "least_confident")]
    assert orders[0] == orders[1] == orders[2]
    assert np.isfinite(Uncertainty(1, "entropy").uncertainty([[1.0, 0.0]])).all()


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ([[0.5, 0.6]], "row 0"),
        ([[1.2, -0.2]], "row 0"),
        ([[1.0], [1.0], [1.0]], "two classes"),
        (SHARES[:2], "budget=3"),
    ],
)
def test_refuses(shares, message):
    with pytest.raises(ValueError, match=message):
        Uncertainty(3).select(shares)
    with pytest.raises(ValueError, match="measure='doubt'"):
        Uncertainty(3, "doubt")
