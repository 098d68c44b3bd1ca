import numpy as np
import pytest

from keras_ssl.evaluation import NormalizedLogisticGD


def separable(seed=0, n=40, d=5, margin=0.2):
    """Samples of unit length at most, with a known direction that separates them by `margin`."""
    rng = np.random.default_rng(seed)
    u = rng.normal(size=d)
    u /= np.linalg.norm(u)
    x = rng.normal(size=(20 * n, d))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    x = x[np.abs(x @ u) >= margin][:n]
    return x, np.where(x @ u > 0, 1, -1), u


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("normalized", [True, False])
def test_steps_equal_the_formula(normalized):
    x, y, _ = separable()
    probe = NormalizedLogisticGD(0.7, 50, normalized, fit_intercept=False, stop_when_separated=False).fit(x, y)
    theta = np.zeros(5)
    for _ in range(50):
        gradient = sum(-y_i * a * sigmoid(-y_i * (a @ theta)) for a, y_i in zip(x, y, strict=True)) / len(x)
        beta = 1 / np.mean([sigmoid(-y_i * (a @ theta)) for a, y_i in zip(x, y, strict=True)]) if normalized else 1.0
        theta = theta - 0.7 * beta * gradient
    np.testing.assert_allclose(probe.coef_, theta, rtol=1e-9)
    assert probe.steps_ == 50


def test_beta_at_zero_is_two_and_steps_are_parallel_to_the_gradient():
    x, y, _ = separable()
    assert np.exp(NormalizedLogisticGD.log_beta(np.zeros(7))) == pytest.approx(2.0)
    signed, theta = y[:, None] * x, np.random.default_rng(1).normal(size=5)
    steps = [NormalizedLogisticGD(0.3, normalized=n).step(theta, signed) - theta for n in (True, False)]
    np.testing.assert_allclose(steps[0], np.exp(NormalizedLogisticGD.log_beta(signed @ theta)) * steps[1])


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rate", [0.3, 1.0, 100.0])
def test_separates_within_the_bound(seed, rate):
    x, y, u = separable(seed)
    probe = NormalizedLogisticGD(rate, fit_intercept=False).fit(x, y)
    mu, radius = (y * (x @ u)).min(), np.linalg.norm(x, axis=1).max()
    assert probe.separated_
    assert probe.steps_ <= radius**2 / mu**2 + 2 * np.log(2 * len(x) - 1) / (rate * mu**2)
    assert (probe.predict(x) == y).all()


@pytest.mark.parametrize("normalized", [True, False])
def test_a_huge_rate_is_the_batch_perceptron(normalized):
    x, y, _ = separable(3, margin=0.05)
    rate = 1e8
    probe = NormalizedLogisticGD(rate, 12, normalized, fit_intercept=False, stop_when_separated=False)
    theta, perceptron = np.zeros(5), np.zeros(5)
    signed = y[:, None] * x
    for _ in range(12):
        theta = probe.step(theta, signed)
        margins = signed @ perceptron
        wrong = (margins < 0) + 0.5 * (margins == 0)
        if not wrong.any():
            break
        perceptron = perceptron + wrong @ signed / (wrong.sum() if normalized else len(x))
        np.testing.assert_allclose(theta / rate, perceptron, atol=1e-6)


def test_steps_stay_long_where_the_gradient_underflows():
    probe = NormalizedLogisticGD(1.0)
    signed = np.array([[1000.0], [2000.0]])
    np.testing.assert_allclose(probe.step(np.array([5.0]), signed), [1005.0])
    assert NormalizedLogisticGD(1.0, normalized=False).step(np.array([5.0]), signed) == 5.0


def test_intercept_and_labels_of_any_kind():
    x = np.array([[5.0], [6.0], [9.0], [10.0]])
    probe = NormalizedLogisticGD().fit(x, ["cat", "cat", "dog", "dog"])
    assert probe.separated_ and probe.predict([[5.5], [9.5]]).tolist() == ["cat", "dog"]
    assert probe.decision_function(x).shape == (4,)
    assert not NormalizedLogisticGD(fit_intercept=False, max_steps=50).fit(x, [0, 0, 1, 1]).separated_


@pytest.mark.parametrize(
    "name, value",
    [("learning_rate", v) for v in (0.0, -1.0, float("nan"), float("inf"), "1")]
    + [("max_steps", v) for v in (0, 1.5, float("nan"))],
)
def test_rejects_arguments(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        NormalizedLogisticGD(**{name: value})


@pytest.mark.parametrize(
    "x, y, name",
    [
        (np.ones(3), [0, 1, 1], "features"),
        (np.ones((0, 2)), [], "features"),
        (np.array([[np.nan], [1.0]]), [0, 1], "features"),
        (np.ones((3, 1)), [0, 1], "labels"),
        (np.ones((3, 1)), [0, 1, 2], "labels"),
        (np.ones((3, 1)), [1, 1, 1], "labels"),
    ],
)
def test_rejects_data(x, y, name):
    with pytest.raises(ValueError, match=f"`{name}` must.*Received: {name}"):
        NormalizedLogisticGD().fit(x, y)
    with pytest.raises(ValueError, match="must be fitted"):
        NormalizedLogisticGD().predict([[1.0]])
