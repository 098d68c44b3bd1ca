import numpy as np
import pytest

from keras_ssl.schedules import PowerLaw, fit_power_law, step_law
from tests.schedules.curves import assert_refused


def test_closed_form():
    rate, batch = step_law(1e9, 1e11)
    assert rate == pytest.approx(1.79 * 1e9**-0.713 * 1e11**0.307, rel=1e-12)
    assert batch == pytest.approx(0.58 * 1e11**0.571, rel=1e-12)
    assert step_law(1.0, 1.0) == pytest.approx((1.79, 0.58))


@pytest.mark.parametrize("factor", [0.1, 2.0, 50.0])
def test_exponents_by_ratios(factor):
    base, wider, longer = step_law(1e8, 1e10), step_law(factor * 1e8, 1e10), step_law(1e8, factor * 1e10)
    assert wider.learning_rate / base.learning_rate == pytest.approx(factor**-0.713)
    assert longer.learning_rate / base.learning_rate == pytest.approx(factor**0.307)
    assert longer.batch_tokens / base.batch_tokens == pytest.approx(factor**0.571)
    assert wider.batch_tokens == base.batch_tokens


def test_a_fitted_law_takes_the_place_of_the_constants():
    sizes = np.array([(n, d) for n in (1e4, 1e5, 1e6) for d in (1e5, 1e6)])
    planted = PowerLaw(0.3, (-0.25, 0.125))
    law = fit_power_law(sizes, planted(sizes[:, 0], sizes[:, 1]))
    assert step_law(1e7, 1e8, rate_law=law).learning_rate == pytest.approx(0.3 * 1e7**-0.25 * 1e8**0.125)
    assert step_law(1e7, 1e8, rate_law=law).batch_tokens == step_law(1e7, 1e8).batch_tokens
    assert step_law(1e7, 1e8, batch_law=PowerLaw(2.0, (0.5,))).batch_tokens == pytest.approx(2e4)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["parameters", "tokens"])
def test_rejects_values_out_of_range(name, value):
    assert_refused(lambda **more: step_law(**({"parameters": 1e6, "tokens": 1e6} | more)), **{name: value})


def test_rejects_laws_of_other_variables():
    with pytest.raises(ValueError, match="`rate_law`.*Received: rate_law="):
        step_law(1e6, 1e6, rate_law=PowerLaw(1.0, (0.5,)))
    with pytest.raises(ValueError, match="`batch_law`.*Received: batch_law="):
        step_law(1e6, 1e6, batch_law=PowerLaw(1.0, (0.5, 0.5)))
