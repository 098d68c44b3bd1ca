import numpy as np
import pytest

from keras_ssl.schedules import LinearDecay
from tests.schedules.curves import assert_follows, assert_refused, assert_round_trip, assert_scalar, values


def reference(k, peak, total, warmup=0, start=0.0, final=0.0):
    if k < warmup:
        return start + (peak - start) * k / warmup
    return final + (peak - final) * (1 - min((k - warmup) / (total - warmup), 1))


@pytest.mark.parametrize("options", [(40,), (40, 10), (40, 39, 0.1, 0.05), (1,)])
def test_every_step_equals_the_formula(options):
    assert_follows(LinearDecay(0.4, *options), lambda k: reference(k, 0.4, *options), 50)


def test_it_is_one_minus_the_share_of_the_run():
    steps = np.arange(101)
    np.testing.assert_allclose(values(LinearDecay(2.0, 100), steps), 2.0 * (1.0 - steps / 100), atol=1e-6)
    assert float(LinearDecay(2.0, 100)(100)) == 0.0
    assert float(LinearDecay(2.0, 100)(10**9)) == 0.0


def test_round_trip_and_scalars():
    assert_round_trip(LinearDecay(0.4, 100, 10, 0.01, 0.002))
    assert_scalar(LinearDecay(0.4, 100, 10, 0.01, 0.002))


@pytest.mark.parametrize(
    "bad",
    [
        {"peak": 0.0},
        {"peak": float("nan")},
        {"peak": "1"},
        {"total_steps": 0},
        {"total_steps": 1.5},
        {"total_steps": float("inf")},
        {"warmup_steps": 10},
        {"warmup_steps": -1},
        {"start": -0.1},
        {"final": -0.1},
        {"final": 2.0},
    ],
)
def test_rejects_values_out_of_range(bad):
    assert_refused(lambda **more: LinearDecay(**({"peak": 1.0, "total_steps": 10} | more)), **bad)
