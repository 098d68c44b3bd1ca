import numpy as np
import pytest

from keras_ssl.losses.swav_loss import swav_loss
from tests.losses.test_sinkhorn import reference as codes
from tests.losses.test_swapped_prediction_loss import reference as swapped


def scores(count=3, n=8, k=4, seed=0):
    return list(np.random.default_rng(seed).uniform(-1, 1, (count, n, k)))


def float32(arrays):
    return [np.asarray(array, "float32") for array in arrays]


def reference(views, code_count=2, temperature=0.1, epsilon=0.05, wanted=None):
    wanted = [codes(view, epsilon, 3) for view in views[:code_count]] if wanted is None else wanted
    return swapped([view / temperature for view in views], wanted)


@pytest.mark.parametrize(("views", "code_count"), [(2, 2), (4, 2), (3, 1)])
def test_equals_the_loops(views, code_count):
    found = float(swav_loss(float32(scores(views)), code_count))
    assert found == pytest.approx(reference(scores(views), code_count), rel=1e-5)


def test_the_gradient_takes_the_codes_as_given(value_and_gradients, finite_differences, tolerance):
    wanted = [codes(view, 0.05, 3) for view in scores()[:2]]
    value, gradients = value_and_gradients(lambda a, b, c: swav_loss([a, b, c], 2, 0.5), *scores())
    assert value == pytest.approx(reference(scores(), 2, 0.5), rel=max(tolerance, 1e-6))
    expected = finite_differences(lambda a, b, c: reference([a, b, c], 2, 0.5, wanted=wanted), *scores())
    for have, want in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(have, want, atol=max(tolerance, 1e-6))


def test_equal_scores_are_at_chance():
    assert float(swav_loss([np.full((8, 4), 0.3, "float32")] * 3)) == pytest.approx(np.log(4), rel=1e-5)


def test_one_prototype_for_each_sample_has_a_closed_form():
    # Codes are the samples' own prototypes: -log softmax of a cosine of 1 among K - 1 of 0.
    z = np.eye(6, dtype="float32")
    assert float(swav_loss([z, z], temperature=0.5)) == pytest.approx(np.log1p(5 * np.exp(-2.0)), rel=1e-4)


def test_compiled_equals_eager(compiled):
    views = float32(scores())
    assert compiled(lambda a, b, c: swav_loss([a, b, c]), *views) == pytest.approx(float(swav_loss(views)), rel=1e-4)


def test_errors():
    with pytest.raises(ValueError, match="Received: temperature=0"):
        swav_loss(float32(scores()), temperature=0)
    with pytest.raises(ValueError, match="Received: 1 views"):
        swav_loss(float32(scores(1)), 1)
