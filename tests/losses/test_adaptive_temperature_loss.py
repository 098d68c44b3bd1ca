import keras
import numpy as np
import pytest

from keras_ssl.losses.adaptive_temperature_loss import (
    adaptive_barlow_twins_loss,
    adaptive_contrastive_loss,
    temperature_from_score,
    temperature_penalty,
)
from keras_ssl.losses.barlow_twins_loss import barlow_twins_loss
from keras_ssl.losses.info_nce_loss import contrastive_cross_entropy
from tests.losses.test_barlow_twins_loss import reference_correlation

LABELS = np.array([3, 0, 2, 1], "int32")
EXCLUDED = np.zeros((4, 7), bool)
EXCLUDED[0, 1] = EXCLUDED[2, 6] = True


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (4, 7)), rng.uniform(0.2, 1.5, (4, 7))


def omega(t, d):
    return d / 2 * np.log(t) + 1 / t


def reference(cosines, temperature, beta=0.05, d=6, hardest=None):
    total = 0.0
    for i, label in enumerate(LABELS):
        logits = cosines[i] / temperature[i] - beta * omega(temperature[i], d)
        others = [j for j in range(7) if not EXCLUDED[i, j]]
        if hardest is None:
            total += np.logaddexp.reduce(logits[others]) - logits[label]
        else:
            negatives = sorted((j for j in others if j != label), key=lambda j, i=i: -cosines[i, j])
            total += np.mean(logits[negatives[:hardest]]) - logits[label]
    return total / 4


@pytest.mark.parametrize("hardest", [None, 1, 3])
@pytest.mark.parametrize("beta", [0.0, 0.05])
def test_equals_the_loops(hardest, beta):
    cosines, temperature = (x.astype("float32") for x in arrays())
    loss = float(adaptive_contrastive_loss(cosines, temperature, LABELS, EXCLUDED, beta, 6, hardest))
    assert loss == pytest.approx(reference(cosines.astype("float64"), temperature, beta, 6, hardest), rel=1e-5)


def test_a_constant_temperature_and_no_penalty_is_the_cross_entropy():
    cosines = arrays()[0].astype("float32")
    expected = float(contrastive_cross_entropy(cosines / 0.3, LABELS, EXCLUDED))
    assert float(adaptive_contrastive_loss(cosines, 0.3, LABELS, EXCLUDED)) == pytest.approx(expected, rel=1e-6)


def test_the_penalty_is_smallest_at_two_over_the_dimension():
    grid = np.linspace(0.05, 3.0, 2000).astype("float32")
    for d in (2, 6, 20):
        penalty = keras.ops.convert_to_numpy(temperature_penalty(grid, d))
        np.testing.assert_allclose(penalty, omega(grid.astype("float64"), d), rtol=1e-4, atol=1e-4)
        assert grid[np.argmin(penalty)] == pytest.approx(2 / d, abs=0.01)


def test_temperatures_stay_in_their_range_and_fall_with_the_score():
    score = np.array([-1e4, -1.0, 0.0, 1.0, 1e4], "float32")
    t = keras.ops.convert_to_numpy(temperature_from_score(score, 0.1, 0.9))
    assert (t >= 0.1).all() and (t <= 0.9 + 1e-6).all() and (np.diff(t) < 0).all()
    assert t[2] == pytest.approx(0.5)


@pytest.mark.parametrize("hardest", [None, 3])
def test_gradient_equals_finite_differences(hardest, value_and_gradients, finite_differences, tolerance):
    pair = arrays(seed=3)
    value, gradients = value_and_gradients(
        lambda s, t: adaptive_contrastive_loss(s, t, LABELS, EXCLUDED, 0.05, 6, hardest), *pair
    )
    assert value == pytest.approx(reference(*pair, hardest=hardest), rel=10 * tolerance)
    expected = finite_differences(lambda s, t: reference(s, t, hardest=hardest), *pair)
    np.testing.assert_allclose(gradients, expected, atol=10 * tolerance)


def slow_barlow(z1, z2, temperature, weight=0.3, beta=0.02):
    c = reference_correlation(z1, z2)
    d, total = len(c), 0.0
    for i in range(d):
        for j in range(d):
            t = temperature[i, j]
            total += (1 - c[i, i] / t) ** 2 + beta * omega(t, d) if i == j else weight * c[i, j] ** 2 / t
            total -= 0.0 if i == j else beta * omega(t, d)
    return total


def test_barlow_twins_equals_the_loops_and_at_temperature_one_barlow_twins():
    z1, z2 = np.random.default_rng(0).normal(size=(2, 6, 4)).astype("float32")
    t = np.random.default_rng(1).uniform(0.3, 1.5, (4, 4)).astype("float32")
    expected = slow_barlow(z1.astype("float64"), z2.astype("float64"), t)
    assert float(adaptive_barlow_twins_loss(z1, z2, t, 0.3, 0.02)) == pytest.approx(expected, rel=1e-5)
    plain = float(barlow_twins_loss(z1, z2, 0.3))
    assert float(adaptive_barlow_twins_loss(z1, z2, 1.0, 0.3)) == pytest.approx(plain, rel=1e-6)


def test_gradient_of_barlow_twins_equals_finite_differences(value_and_gradients, finite_differences, tolerance):
    z1, z2 = np.random.default_rng(0).normal(size=(2, 5, 3))
    t = np.random.default_rng(1).uniform(0.3, 1.5, (3, 3))
    _, gradients = value_and_gradients(lambda *x: adaptive_barlow_twins_loss(*x, 0.3, 0.02), z1, z2, t)
    for have, want in zip(gradients, finite_differences(lambda *x: slow_barlow(*x), z1, z2, t), strict=True):
        np.testing.assert_allclose(have, want, atol=1e3 * tolerance)


def test_half_precision_is_computed_in_float32(rounded):
    cosines, temperature = arrays()
    (s, exact), (t, exact_t) = rounded(cosines, "float16"), rounded(temperature, "float16")
    loss = adaptive_contrastive_loss(s, t, LABELS, EXCLUDED, 0.05, 6)
    assert keras.backend.standardize_dtype(loss.dtype) == "float32"
    assert float(loss) == pytest.approx(reference(exact, exact_t), rel=1e-5)
    tiny = keras.ops.cast(np.full((4, 7), 1e-5), "float32")
    assert np.isfinite(float(adaptive_contrastive_loss(s, tiny, LABELS, EXCLUDED, 1e-4, 128)))


@pytest.mark.parametrize("hardest", [None, 3])
def test_compiled_equals_eager(hardest, compiled):
    cosines, temperature = (x.astype("float32") for x in arrays())

    def loss(s, t):
        return adaptive_contrastive_loss(s, t, LABELS, EXCLUDED, 0.05, 6, hardest)

    assert compiled(loss, cosines, temperature) == pytest.approx(float(loss(cosines, temperature)), rel=1e-5)
