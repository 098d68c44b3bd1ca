import numpy as np
import pytest

from keras_ssl.schedules import GaussianProcessLR
from tests.schedules.curves import assert_refused


def searched(function, low, high, count, **options):
    search = GaussianProcessLR(low, high, **options)
    for _ in range(count):
        rate = search.propose()
        search.tell(rate, function(rate))
    return search


@pytest.mark.parametrize("optimum", [3e-4, 0.01, 0.3])
def test_finds_the_bottom_of_a_bowl(optimum):
    search = searched(lambda rate: np.log(rate / optimum) ** 2, 1e-4, 1.0, 12)
    assert optimum / 1.3 < search.best() < optimum * 1.3


def test_the_first_rate_is_the_geometric_mean_and_all_differ_and_are_in_range():
    search = searched(lambda rate: rate, 1e-4, 1.0, 20)
    assert search.rates[0] == pytest.approx(1e-2)
    assert len(set(search.rates)) == 20 and min(search.rates) >= 1e-4 and max(search.rates) <= 1.0
    assert search.rates == searched(lambda rate: rate, 1e-4, 1.0, 20).rates  # nothing is drawn


def test_much_uncertainty_explores_and_none_exploits():
    # After the middle, the ends are what is known least about.
    explored = searched(lambda rate: 0.0, 1e-4, 1.0, 3, kappa=1e6)
    assert sorted(explored.rates) == pytest.approx([1e-4, 1e-2, 1.0])
    exploited = searched(lambda rate: np.log(rate / 0.1) ** 2, 1e-4, 1.0, 8, kappa=0.0)
    assert np.std(np.log(exploited.rates[3:])) < np.std(np.log(searched(lambda _: 0.0, 1e-4, 1.0, 8).rates[3:]))


def test_the_prediction_meets_the_values_and_is_uncertain_far_from_them():
    search = searched(lambda rate: np.sin(np.log(rate)), 1e-4, 1.0, 9)
    mean, deviation = search.predict(np.array(search.rates))
    np.testing.assert_allclose(mean, search.values, atol=0.05)
    single = GaussianProcessLR(1e-4, 1.0)
    single.tell(1e-2, 5.0)
    mean, deviation = single.predict(np.array([1e-2, 1e-4]))
    assert mean[0] == pytest.approx(5.0) and deviation[0] < 1e-2 < deviation[1]


def test_the_prediction_is_kriging_by_its_formula():
    search = GaussianProcessLR(1.0, np.e)  # place = log(rate)
    for rate, value in ((1.0, 0.3), (1.5, -0.4), (2.5, 1.1)):
        search.tell(rate, value)
    places, values = np.log([1.0, 1.5, 2.5]), np.array([0.3, -0.4, 1.1])
    scaled = (values - values.mean()) / values.std()

    def kernel(r, length):
        u = np.sqrt(5.0) * abs(r) / length
        return (1 + u + u * u / 3) * np.exp(-u)

    best = None
    for length in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6):
        for noise in (1e-6, 1e-4, 1e-2, 1e-1):
            cov = np.array([[kernel(p - q, length) for q in places] for p in places]) + noise * np.eye(3)
            likelihood = -0.5 * scaled @ np.linalg.inv(cov) @ scaled - 0.5 * np.log(np.linalg.det(cov))
            if best is None or likelihood > best[0] + 1e-12:
                best = (likelihood, length, cov)
    _, length, cov = best
    across = np.array([kernel(np.log(2.0) - q, length) for q in places])
    mean, deviation = search.predict(np.array([2.0]))
    expected = across @ np.linalg.inv(cov) @ scaled * values.std() + values.mean()
    assert mean[0] == pytest.approx(expected, rel=1e-6)
    variance = 1.0 - across @ np.linalg.inv(cov) @ across
    assert deviation[0] == pytest.approx(values.std() * np.sqrt(variance), rel=1e-5)


def test_failures_are_avoided():
    search = searched(lambda rate: np.log(rate / 0.03) ** 2 if rate < 0.1 else float("nan"), 1e-4, 1.0, 12)
    assert 0.01 < search.best() < 0.1
    assert sum(rate >= 0.1 for rate in search.rates) < 6
    hopeless = searched(lambda rate: float("inf"), 1e-4, 1.0, 3)
    with pytest.raises(ValueError, match="Received: values="):
        hopeless.best()


def test_one_rate_is_proposed_again_and_again():
    search = searched(lambda rate: 1.0, 0.1, 0.1, 3)
    assert search.rates == [0.1] * 3 and search.best() == 0.1


@pytest.mark.parametrize(
    "bad",
    [
        {"low": 0.0},
        {"low": float("nan")},
        {"low": 2.0},
        {"high": float("inf")},
        {"kappa": -1.0},
        {"kappa": float("inf")},
    ],
)
def test_rejects_values_out_of_range(bad):
    assert_refused(lambda **more: GaussianProcessLR(**({"low": 1e-3, "high": 1.0} | more)), **bad)


def test_rejects_rates_out_of_the_interval_and_predictions_from_nothing():
    search = GaussianProcessLR(1e-3, 1.0)
    assert_refused(lambda **more: search.tell(value=1.0, **more), rate=2.0)
    with pytest.raises(ValueError, match="Received: rates="):
        search.predict(np.array([0.1]))
