import numpy as np
import pytest

from keras_ssl.evaluation import alpha_req


def with_power_law(alpha, count=30, samples=200, seed=0):
    """Features whose covariance has the eigenvalues `i**-alpha`, in a random rotation, far from the origin."""
    rng = np.random.default_rng(seed)
    left = rng.standard_normal((samples, count))
    left = np.linalg.qr(left - left.mean(axis=0))[0]
    right = np.linalg.qr(rng.standard_normal((count, count)))[0]
    return left * np.arange(1.0, count + 1) ** (-alpha / 2) @ right + 5


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0, 2.5])
def test_finds_a_planted_exponent(alpha):
    features = with_power_law(alpha)
    assert alpha_req(features) == pytest.approx(alpha, abs=1e-7)
    assert alpha_req(features, first=3, last=20) == pytest.approx(alpha, abs=1e-7)
    assert alpha_req(features, first=3, last=2000) == pytest.approx(alpha, abs=1e-7)
    assert alpha_req(17 * features) == pytest.approx(alpha, abs=1e-7)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_equals_a_weighted_fit_of_numpy(dtype):
    features = (np.random.default_rng(0).standard_normal((80, 9)) * np.arange(1, 10)).astype(dtype)
    values = np.linalg.eigvalsh(np.cov(features.astype("float64").T))[::-1]
    numbers = np.arange(1, 10)
    for chosen in (slice(0, 9), slice(1, 6)):
        x, y = np.log(numbers[chosen]), np.log(values[chosen])
        slope = np.polyfit(x, y, 1, w=np.sqrt(1 / numbers[chosen]))[0]  # NumPy squares its weights
        first, last = numbers[chosen][[0, -1]]
        assert alpha_req(features, int(first), int(last)) == pytest.approx(-slope, rel=1e-8)


def test_collapse():
    assert alpha_req(np.outer(np.arange(9.0), np.ones(4))) == float("inf")
    assert np.isnan(alpha_req(np.full((9, 4), 0.1)))
    assert alpha_req(np.random.default_rng(0).standard_normal((3, 50))) >= 0  # two eigenvalues


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"first": 0}, r"`first` must be a positive integer. Received: first=0"),
        ({"last": 1.5}, r"Received: last=1.5"),
        ({"first": 3, "last": 3}, r"must span two of the 4 eigenvalues.*Received: first=3, last=3"),
        ({"first": 9}, r"Received: first=9, last=None"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        alpha_req(np.random.default_rng(0).standard_normal((20, 4)), **arguments)
