import numpy as np
import pytest

from keras_ssl.losses.view_mean_loss import view_mean_loss
from tests.losses.conftest import _finite_differences, _value_and_gradients


def reference(views, count):
    n, d = views[0].shape
    total = 0.0
    for i in range(n):
        for j in range(d):
            center = sum(view[i, j] for view in views[:count]) / count
            total += sum((view[i, j] - center) ** 2 for view in views)
    return total / (n * d * len(views))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_value_and_gradient_equal_the_loops(count, tolerance):
    views = list(np.random.default_rng(0).normal(size=(3, 4, 2)))
    value, gradients = _value_and_gradients(lambda *v: view_mean_loss(v, count), *views)
    assert value == pytest.approx(reference(views, count), rel=1e-5)
    for mine, theirs in zip(gradients, _finite_differences(lambda *v: reference(v, count), *views), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=max(tolerance, 1e-7))


def test_of_two_views_it_is_a_quarter_of_their_squared_distance():
    a, b = np.random.default_rng(1).normal(size=(2, 5, 3)).astype("float32")
    assert float(view_mean_loss([a, b])) == pytest.approx(np.mean((a - b) ** 2) / 4, rel=1e-5)


@pytest.mark.parametrize(("views", "count"), [([], None), ([np.zeros((2, 2))], 2), ([np.zeros((2, 2))], 0)])
def test_refuses(views, count):
    with pytest.raises(ValueError, match="Received: "):
        view_mean_loss(views, count)
