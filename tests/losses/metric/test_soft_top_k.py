import keras
import numpy as np
import pytest

from keras_ssl.losses import soft_top_k, soft_top_k_loss

SCORES = np.random.default_rng(0).normal(size=(4, 7)) * 2


def array(x):
    return np.asarray(keras.ops.convert_to_numpy(x)).astype("float64")


def reference(scores, k, temperature=1.0):
    """By a root finder of SciPy, row by row."""
    from scipy.optimize import brentq

    rows = []
    for row in scores / temperature:
        threshold = brentq(lambda t, row=row: np.sum(1 / (1 + np.exp(t - row))) - k, row.min() - 50, row.max() + 50)
        rows.append(1 / (1 + np.exp(threshold - row)))
    return np.array(rows)


@pytest.mark.parametrize("k", [1, 3, 6])
@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_equals_the_root_finder_and_adds_up_to_k(k, temperature):
    found = array(soft_top_k(SCORES.astype("float32"), k, temperature))
    np.testing.assert_allclose(found, reference(SCORES, k, temperature), atol=2e-6)
    np.testing.assert_allclose(found.sum(axis=1), k, rtol=1e-5)


@pytest.mark.parametrize("scores", [SCORES * 50, SCORES + 1e4, np.zeros((2, 7)), np.full((2, 7), -30.0)])
def test_adds_up_to_k_for_scores_of_any_size(scores):
    np.testing.assert_allclose(array(soft_top_k(scores.astype("float32"), 2)).sum(axis=1), 2.0, rtol=1e-3)


def test_at_low_temperature_it_is_the_hard_indicator():
    found = array(soft_top_k(SCORES, 3, 1e-3))
    hard = np.argsort(np.argsort(-SCORES, axis=1), axis=1) < 3
    np.testing.assert_allclose(found, hard, atol=1e-6)


def test_equal_scores_share():
    np.testing.assert_allclose(array(soft_top_k(np.full((1, 8), 5.0), 2)), 0.25, rtol=1e-5)


def test_does_not_see_a_shift():
    np.testing.assert_allclose(array(soft_top_k(SCORES, 2)), array(soft_top_k(SCORES + 3.0, 2)), atol=1e-5)


def test_gradient_is_that_of_the_implicit_equation(value_and_gradients, finite_differences, tolerance):
    weights = np.random.default_rng(1).normal(size=SCORES.shape)
    _, gradients = value_and_gradients(
        lambda s: keras.ops.sum(soft_top_k(s, 3) * keras.ops.cast(weights, s.dtype)), SCORES
    )
    expected = finite_differences(lambda s: np.sum(reference(s, 3) * weights), SCORES)
    np.testing.assert_allclose(gradients, expected, atol=max(10 * tolerance, 2e-6))


def test_loss_is_minus_the_logarithm_of_the_positives(value_and_gradients, finite_differences, tolerance):
    positives = np.array([[1, 0, 0, 1, 0, 0, 0]] * 3 + [[0] * 7])

    def slow(scores):
        return -np.sum(positives * np.log(reference(scores, 2))) / 4

    assert float(soft_top_k_loss(SCORES, positives, 2)) == pytest.approx(slow(SCORES), rel=1e-5)
    _, gradients = value_and_gradients(lambda s: soft_top_k_loss(s, positives, 2), SCORES)
    np.testing.assert_allclose(gradients, finite_differences(slow, SCORES), atol=max(10 * tolerance, 2e-6))


def test_far_scores_have_finite_gradients(value_and_gradients):
    positives = [[0, 0, 0, 1, 0, 0, 0]] * 4
    _, gradients = value_and_gradients(lambda s: soft_top_k_loss(s, positives, 2), SCORES * 1e4, dtype="float32")
    assert np.isfinite(gradients).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 0}, "Received: k=0"),
        ({"k": 7}, "Received: k=7"),
        ({"k": 1.5}, "Received: k=1.5"),
        ({"temperature": -1.0}, "Received: temperature=-1.0"),
        ({"scores": SCORES[0]}, r"Received: scores.shape=\(7,\)"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=message):
        soft_top_k(**{"scores": SCORES, "k": 2, **options})


def test_loss_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"must have one shape. Received: scores.shape=\(4, 7\)"):
        soft_top_k_loss(SCORES, np.ones((4, 6)), 2)
