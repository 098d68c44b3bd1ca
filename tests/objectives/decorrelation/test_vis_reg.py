"""What VISReg computes: a slow reference, limits."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step
from tests.losses.test_view_mean_loss import reference as slow_invariance
from tests.losses.test_visreg_loss import reference as slow_terms
from tests.objectives.decorrelation.test_le_jepa import directions_of, outcome
from tests.objectives.reference import draws, value


@pytest.mark.parametrize(("weight", "global_views"), [(0.9, None), (0.6, 2)])
def test_equals_the_reference(weight, global_views):
    views = [2 * draws(6, 12, seed=seed) for seed in range(3)]
    found = outcome(tiny_model("VISReg", weight=weight, global_views=global_views, directions=5), views)
    wide = [view.astype("float64") for view in views]
    directions = directions_of(Step.at(6), 5, 12)
    scale, shape, center = np.mean([slow_terms(view, directions) for view in wide], axis=0)
    invariance = slow_invariance(wide, global_views or 3)
    for name, expected in {"scale": scale, "shape": shape, "center": center, "invariance": invariance}.items():
        assert value(found.logs[name]) == pytest.approx(expected, rel=1e-4)
    assert value(found.loss) == pytest.approx((1 - weight) * invariance + weight * (scale + shape + center), rel=1e-4)


def test_without_regularizer_it_is_lejepa_without_its_own():
    views = [draws(6, 12), draws(6, 12, seed=1)]
    mine, other = (value(outcome(tiny_model(name, weight=0.0), views).loss) for name in ("VISReg", "LeJEPA"))
    assert mine == pytest.approx(other, rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"weight": -0.1}, "weight=-0.1"), ({"weight": float("inf")}, "=inf"), ({"directions": 0}, "directions=0")],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: .*{message}"):
        keras_ssl.VISReg(tiny_encoder(), projector=(4,), **options)
