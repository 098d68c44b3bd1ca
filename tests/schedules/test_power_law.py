import numpy as np
import pytest

from keras_ssl.schedules import PowerLaw, fit_power_law


@pytest.mark.parametrize(("scale", "exponent"), [(5.0, -0.3), (1e-6, 2.0), (3.0, 0.0)])
def test_recovers_a_planted_law_of_one_variable(scale, exponent):
    steps = np.geomspace(10, 1e6, 12)
    law = fit_power_law(steps, scale * steps**exponent)
    assert law.scale == pytest.approx(scale, rel=1e-10)
    assert law.exponents == pytest.approx((exponent,), abs=1e-11)
    np.testing.assert_allclose(law(steps), scale * steps**exponent, rtol=1e-10)


def test_recovers_a_planted_law_of_two_variables_from_a_grid():
    sizes = np.array([(n, d) for n in (1e6, 1e7, 1e9) for d in (1e8, 1e10, 1e11)])
    law = fit_power_law(sizes, 1.79 * sizes[:, 0] ** -0.713 * sizes[:, 1] ** 0.307)
    assert law.scale == pytest.approx(1.79, rel=1e-8)
    assert law.exponents == pytest.approx((-0.713, 0.307), abs=1e-10)


def test_least_squares_of_logarithms():
    # The normal equations, written out for two numbers.
    x, y = np.array([1.0, 2.0, 4.0, 9.0]), np.array([3.0, 5.0, 4.0, 8.0])
    u, v = np.log(x), np.log(y)
    slope = ((u - u.mean()) * (v - v.mean())).sum() / ((u - u.mean()) ** 2).sum()
    law = fit_power_law(x, y)
    assert law.exponents[0] == pytest.approx(slope) and law.scale == pytest.approx(np.exp(v.mean() - slope * u.mean()))


def test_law_in_closed_form_and_by_broadcasting():
    law = PowerLaw(2.0, (0.5, -1.0))
    assert float(law(9.0, 3.0)) == pytest.approx(2.0)
    assert law(np.array([[1.0], [4.0]]), np.array([1.0, 2.0, 4.0])).shape == (2, 3)
    with pytest.raises(ValueError, match="`variables`.*Received: variables="):
        law(1.0)
    with pytest.raises(ValueError, match="`variables`.*Received: variables="):
        law(1.0, 0.0)


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("x", [1.0], [1.0]),
        ("x", [1.0, -2.0], [1.0, 2.0]),
        ("x", [1.0, float("nan")], [1.0, 2.0]),
        ("x", [3.0, 3.0, 3.0], [1.0, 2.0, 3.0]),
        ("x", [[1.0, 2.0], [2.0, 4.0], [4.0, 8.0]], [1.0, 2.0, 3.0]),  # one is twice the other
        ("x", np.ones((2, 2, 2)), [1.0, 2.0]),
        ("y", [1.0, 2.0], [1.0, 0.0]),
        ("y", [1.0, 2.0], [1.0, float("inf")]),
        ("y", [1.0, 2.0], [1.0, 2.0, 3.0]),
    ],
)
def test_rejects_what_determines_no_law(name, x, y):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        fit_power_law(x, y)
