import numpy as np
import pytest

from keras_ssl.evaluation import rankme


def with_spectrum(values, samples=40, dimensions=None, seed=0):
    """Features with the given singular values and random singular vectors."""
    rng = np.random.default_rng(seed)
    dimensions = dimensions or len(values)
    left = np.linalg.qr(rng.standard_normal((samples, len(values))))[0]
    right = np.linalg.qr(rng.standard_normal((dimensions, len(values))))[0]
    return left @ np.diag(values) @ right.T


@pytest.mark.parametrize("rank", [1, 3, 10])
def test_equal_singular_values_give_their_number(rank):
    assert rankme(with_spectrum(np.full(rank, 5.0))) == pytest.approx(rank, abs=1e-4)


def test_geometric_spectrum():
    """Shares 1/2, 1/4, 1/8, 1/8: entropy 1.75 bits."""
    assert rankme(with_spectrum([8.0, 4.0, 2.0, 2.0])) == pytest.approx(2**1.75, abs=1e-5)


def test_equals_the_definition():
    features = np.random.default_rng(1).standard_normal((30, 12)) * np.arange(1, 13)
    values = np.sqrt(np.linalg.eigvalsh(features.T @ features))
    shares = values / values.sum() + 1e-7
    assert rankme(features) == pytest.approx(np.exp(-np.sum(shares * np.log(shares))), rel=1e-9)
    assert rankme(features.astype("float32")) == pytest.approx(rankme(features), rel=1e-5)
    assert rankme(3 * features) == pytest.approx(rankme(features), rel=1e-9)
    assert rankme(features.T) == pytest.approx(rankme(features), rel=1e-9)


def test_bounds():
    rng = np.random.default_rng(2)
    assert rankme(np.ones((50, 20))) == pytest.approx(1, abs=1e-4)  # collapse
    assert rankme(np.zeros((50, 20))) == 1
    assert rankme(rng.standard_normal((3, 1))) == pytest.approx(1, abs=1e-5)
    assert 4.5 < rankme(rng.standard_normal((5, 200))) <= 5 + 1e-4
    assert 19 < rankme(rng.standard_normal((5000, 20))) <= 20 + 1e-4


def test_bad_features():
    with pytest.raises(ValueError, match=r"`features` must be finite.*row 2"):
        rankme([[1.0], [2.0], [np.nan]])
