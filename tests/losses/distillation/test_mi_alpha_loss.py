"""The interpolated bound of mutual information: its ends, a constant critic, Gaussian pairs."""

import numpy as np
import pytest

from keras_ssl import losses
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws, slow_info_nce, value

F = draws(6, 6)


def slow(scores, alpha, log_q):
    f, n = np.exp(scores.astype("float64")), len(scores)
    first = second = 0.0
    for j in range(n):
        a = alpha * f[:, j].mean() + (1 - alpha) * np.exp(log_q)
        first += (np.log(f[j, j]) - np.log(a)) / n
        others = [i for i in range(n) if i != j]
        m = f[others, j].mean()
        second += m / (alpha * m + (1 - alpha) * np.exp(log_q)) / n
    return 1 + first - second


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.99, 1.0])
@pytest.mark.parametrize("log_q", [1.0, -0.5])
def test_equals_the_reference(alpha, log_q):
    assert value(losses.mi_alpha_bound(F, alpha, log_q)) == pytest.approx(slow(F, alpha, log_q), rel=1e-5, abs=1e-6)


def test_alpha_one_is_info_nce_and_at_most_log_n():
    z1, z2 = draws(6, 4), draws(6, 4, seed=1)
    # Columns are what is compared: the roles of queries and keys are the other way round.
    expected = np.log(6) - slow_info_nce(z2, z1, 0.1)
    assert -value(losses.mi_alpha_loss(z1, z2, alpha=1.0, temperature=0.1)) == pytest.approx(expected, rel=1e-4)
    sure = (50 * np.eye(6)).astype("float32")
    assert value(losses.mi_alpha_bound(sure, 1.0)) == pytest.approx(np.log(6), rel=1e-6)


def test_alpha_zero_is_the_bound_of_nguyen_wainwright_and_jordan():
    f = F.astype("float64")
    off = np.exp(f)[~np.eye(6, dtype=bool)].mean()
    assert value(losses.mi_alpha_bound(F, 0.0)) == pytest.approx(np.mean(np.diag(f)) - off / np.e, rel=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
def test_a_constant_critic_knows_nothing(alpha):
    assert value(losses.mi_alpha_bound(np.full((5, 5), 0.7, "float32"), alpha, 0.7)) == pytest.approx(0.0, abs=1e-6)


def test_correlated_gaussians():
    rho, n, rng = 0.8, 2000, np.random.RandomState(0)
    x = rng.normal(size=n)
    y = rho * x + np.sqrt(1 - rho**2) * rng.normal(size=n)
    # The optimal critic is log p(y | x) / p(y), plus 1 for the baseline e.
    density = -0.5 * np.log(1 - rho**2) - (y[None] - rho * x[:, None]) ** 2 / (2 * (1 - rho**2)) + y[None] ** 2 / 2
    found = value(losses.mi_alpha_bound((1 + density).astype("float32"), 0.0))
    assert found == pytest.approx(-0.5 * np.log(1 - rho**2), abs=0.05)


def test_gradient_is_finite_and_none_reaches_the_teacher():
    for alpha in (0.0, 0.5, 1.0):
        _, (of_student, of_teacher) = differentiate(
            lambda s, t, a=alpha: losses.mi_alpha_loss(s, t, a), draws(5, 3), draws(5, 3, seed=1)
        )
        assert np.isfinite(of_student).all() and np.any(of_student) and not np.any(of_teacher)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: losses.mi_alpha_bound(F, 1.5), "alpha=1.5"),
        (lambda: losses.mi_alpha_bound(F, float("nan")), "alpha=nan"),
        (lambda: losses.mi_alpha_bound(F[:3]), r"scores.shape=\(3, 6\)"),
        (lambda: losses.mi_alpha_bound(F[:1, :1]), r"scores.shape=\(1, 1\)"),
        (lambda: losses.mi_alpha_loss(F, F, temperature=0), "temperature=0"),
    ],
)
def test_refuses(call, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        call()
