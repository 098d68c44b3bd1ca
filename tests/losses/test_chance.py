import math

import numpy as np
import pytest

from keras_ssl.losses import chance


@pytest.fixture(scope="module")
def cosines():
    """A million cosines of random unit vectors with a fixed one, in 16 dimensions."""
    rows = np.random.default_rng(0).normal(size=(1_000_000, 16))
    return np.sort(rows[:, 0] / np.linalg.norm(rows, axis=1))


@pytest.mark.parametrize("sharpness", [0.0, 0.5, 5.0])
def test_log_mean_exp_and_its_derivative(cosines, sharpness):
    weights = np.exp(sharpness * cosines)
    assert chance.log_mean_exp(16, sharpness) == pytest.approx(math.log(weights.mean()), abs=3e-3)
    assert chance.tilted_cosine(16, sharpness) == pytest.approx((weights * cosines).mean() / weights.mean(), abs=3e-3)


def test_on_the_sphere_in_three_dimensions_it_is_a_hyperbolic_sine():
    for sharpness in (0.1, 3.0, 100.0, 300.0):
        exact = sharpness + math.log1p(-math.exp(-2 * sharpness)) - math.log(2 * sharpness)
        assert chance.log_mean_exp(3, sharpness) == pytest.approx(exact, rel=1e-9, abs=1e-12)


def test_the_largest_cosines(cosines):
    tail = cosines[-len(cosines) // 10 :]
    found = chance.log_tail_exp(16, 5.0, 0.1)
    assert found == pytest.approx(math.log(np.exp(5.0 * tail).sum() / len(cosines)), abs=0.1)  # normal, not exact
    assert chance.log_tail_exp(16, 5.0, 1.0) == pytest.approx(25 / 32)
    draws = np.sort(np.random.default_rng(1).normal(size=(4000, 50)), axis=1)[:, ::-1] / math.sqrt(400)
    np.testing.assert_allclose(chance.largest_cosines(400, 50, 5), draws.mean(axis=0)[:5], atol=2e-3)


@pytest.mark.parametrize("shape", [(40, 40), (60, 20), (20, 60), (2, 300)])
def test_nuclear_norm_of_noise(shape):
    rows = np.random.default_rng(0).normal(size=(20, *shape))
    rows /= np.linalg.norm(rows, axis=2, keepdims=True)
    found = np.linalg.svd(rows, compute_uv=False).sum(axis=1).mean()
    assert chance.nuclear_norm_of_noise(*shape, row_norm=0.5) == pytest.approx(0.5 * found, rel=0.01)


def test_cross_entropy_of_the_widest_gap():
    logits = np.array([1.0, *[-1.0 / 7] * 7]) / 0.3
    exact = np.log(np.exp(logits).sum()) - logits[0]
    assert chance.lowest_cross_entropy(7, 0.3, chance.widest_gap(8)) == pytest.approx(exact)
