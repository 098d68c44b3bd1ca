import numpy as np
import pytest

from keras_ssl.losses.multi_view_loss import multi_view_dhel_loss, multi_view_info_nce_loss
from tests.losses.reference import as32, cosine, log_sum_exp, random_views

LOSSES = [multi_view_info_nce_loss, multi_view_dhel_loss]


def slow_info_nce(views, temperature=0.1):
    count, n, total = len(views), len(views[0]), 0.0
    places = [(v, i) for v in range(count) for i in range(n)]
    for i in range(n):
        above = [cosine(views[v][i], views[w][i]) / temperature for v in range(count) for w in range(count) if v != w]
        below = [
            cosine(views[v][i], views[w][j]) / temperature for v in range(count) for w, j in places if (w, j) != (v, i)
        ]
        total += log_sum_exp(below) - log_sum_exp(above)
    return total / n


def slow_dhel(views, temperature=0.1):
    count, n, total = len(views), len(views[0]), 0.0
    for i in range(n):
        above = [cosine(views[v][i], views[w][i]) / temperature for v in range(count) for w in range(v + 1, count)]
        total -= log_sum_exp(above)
        for view in views:
            total += log_sum_exp(cosine(view[i], view[j]) / temperature for j in range(n) if j != i)
    return total / n


SLOW = {multi_view_info_nce_loss: slow_info_nce, multi_view_dhel_loss: slow_dhel}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("count", [2, 3, 5])
@pytest.mark.parametrize("temperature", [0.07, 1.0])
def test_equals_the_loops(loss, count, temperature):
    views = as32(random_views((5, 4), count))
    expected = SLOW[loss]([view.astype("float64") for view in views], temperature)
    assert float(loss(views, temperature)) == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_is_invariant_to_any_permutation_of_the_views(loss):
    views = as32(random_views((5, 4), 4))
    expected = float(loss(views, 0.3))
    for order in ([3, 1, 0, 2], [1, 2, 3, 0]):
        assert float(loss([views[v] for v in order], 0.3)) == pytest.approx(expected, rel=1e-5)
    broken = [views[0][::-1].copy(), *views[1:]]
    assert abs(float(loss(broken, 0.3)) - expected) > 0.05


def test_two_views_of_mv_dhel_are_the_dhel_pair_loss():
    z1, z2 = as32(random_views((5, 4)))
    rows = [
        log_sum_exp(cosine(z1[i], z1[j]) / 0.3 for j in range(5) if j != i)
        + log_sum_exp(cosine(z2[i], z2[j]) / 0.3 for j in range(5) if j != i)
        - cosine(z1[i], z2[i]) / 0.3
        for i in range(5)
    ]
    assert float(multi_view_dhel_loss([z1, z2], 0.3)) == pytest.approx(np.mean(rows), rel=1e-5)


@pytest.mark.parametrize("count", [2, 4])
def test_identical_views_of_orthogonal_samples_have_a_closed_form(count):
    views = [np.eye(6, dtype="float32")] * count
    pairs = count * (count - 1) / 2
    expected = count * np.log(5) - np.log(pairs) - 1 / 0.5
    assert float(multi_view_dhel_loss(views, 0.5)) == pytest.approx(expected, rel=1e-5)
    # MV-InfoNCE: V (V - 1) partners at 1, and V rows with V (N - 1) others at 0.
    expected = np.log1p(count * count * 5 * np.exp(-2.0) / (2 * pairs))
    assert float(multi_view_info_nce_loss(views, 0.5)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_chance_values():
    views = [np.tile(np.array([[1.0, 2.0]], "float32"), (6, 1))] * 3
    assert float(multi_view_info_nce_loss(views, 0.2)) == pytest.approx(np.log(17 / 2), rel=1e-5)
    expected = 3 * np.log(5) - np.log(3) + 2 / 0.2
    assert float(multi_view_dhel_loss(views, 0.2)) == pytest.approx(expected, rel=1e-5)


def test_mv_info_nce_is_never_negative():
    for seed in range(5):
        for temperature in (0.01, 0.1, 1.0):
            assert float(multi_view_info_nce_loss(as32(random_views((4, 3), 3, seed)), temperature)) >= 0.0


@pytest.mark.parametrize("loss", LOSSES)
def test_gradient_equals_finite_differences(loss, value_and_gradients, finite_differences, tolerance):
    views = random_views((4, 3), 3, seed=3)
    value, gradients = value_and_gradients(lambda *views: loss(views, 0.5), *views)
    assert value == pytest.approx(SLOW[loss](views, 0.5), rel=tolerance)
    expected = finite_differences(lambda *views: SLOW[loss](views, 0.5), *views)
    np.testing.assert_allclose(gradients, expected, atol=2 * tolerance)


@pytest.mark.parametrize(("dtype", "magnitude"), [("float16", 1e4), ("bfloat16", 1e15)])
@pytest.mark.parametrize("loss", LOSSES)
def test_half_precision_is_computed_in_float32(loss, dtype, magnitude, rounded, value_and_gradients):
    views, exact = zip(*[rounded(z * magnitude, dtype) for z in random_views((5, 4), 3)], strict=True)
    assert float(loss(views, 0.01)) == pytest.approx(SLOW[loss](exact, 0.01), rel=1e-4)
    _, gradients = value_and_gradients(lambda *views: loss(views, 0.01), *exact, dtype=dtype)
    assert np.isfinite(gradients).all()


@pytest.mark.parametrize("loss", LOSSES)
def test_compiled_equals_eager(loss, compiled):
    views = as32(random_views((5, 4), 3))
    assert compiled(lambda *views: loss(views, 0.2), *views) == pytest.approx(float(loss(views, 0.2)), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_errors(loss):
    views = as32(random_views((5, 4), 3))
    with pytest.raises(ValueError, match="two or more views.*Received: 1 views"):
        loss(views[:1])
    with pytest.raises(ValueError, match="`temperature` must be greater than 0. Received: temperature=0"):
        loss(views, 0)
    with pytest.raises(ValueError, match="Received: shapes"):
        loss([*views, views[0][:2]])
