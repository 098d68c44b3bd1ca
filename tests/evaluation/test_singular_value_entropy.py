import numpy as np
import pytest

from keras_ssl.evaluation import rankme, singular_value_entropy


def test_closed_forms():
    assert singular_value_entropy(np.eye(7) * 3) == pytest.approx(np.log(7), abs=1e-6)
    assert singular_value_entropy(np.ones((9, 4))) == pytest.approx(0, abs=1e-6)  # one direction
    assert singular_value_entropy(np.zeros((9, 4))) == 0
    shares = np.array([0.5, 0.25, 0.25])
    assert singular_value_entropy(np.diag([2.0, 1, 1])) == pytest.approx(-np.sum(shares * np.log(shares)), abs=1e-6)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_equals_the_definition(dtype):
    features = np.random.default_rng(0).standard_normal((40, 6)).astype(dtype)
    exact = features.astype("float64")
    values = np.sqrt(np.linalg.eigvalsh(exact.T @ exact))
    shares = values / values.sum()
    assert singular_value_entropy(features) == pytest.approx(-np.sum(shares * np.log(shares)), rel=1e-9)


def test_is_the_logarithm_of_rankme():
    features = np.random.default_rng(0).standard_normal((40, 6)) * np.arange(1, 7)
    assert singular_value_entropy(features) == pytest.approx(np.log(rankme(features)), abs=1e-5)
    assert singular_value_entropy(5 * features[::-1]) == pytest.approx(singular_value_entropy(features), rel=1e-9)


def test_bad_features():
    with pytest.raises(ValueError, match=r"`features` must be finite.*row 1"):
        singular_value_entropy([[1.0], [np.inf]])
