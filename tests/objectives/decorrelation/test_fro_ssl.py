"""What FroSSL computes: a slow reference, limits."""

import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from tests.losses.test_frossl_loss import reference
from tests.objectives.decorrelation.test_le_jepa import outcome
from tests.objectives.reference import draws, value


@pytest.mark.parametrize(("number", "weight"), [(2, 1.0), (3, 0.3)])
def test_equals_the_reference(number, weight):
    views = [draws(6, 12, seed=seed) for seed in range(number)]
    found = outcome(tiny_model("FroSSL", invariance_weight=weight), views)
    invariance, regularization = reference([view.astype("float64") for view in views])
    assert value(found.loss) == pytest.approx(regularization + weight * invariance, rel=1e-5)
    assert value(found.logs["invariance"]) == pytest.approx(invariance, rel=1e-5)


@pytest.mark.parametrize("wrong", [-1.0, float("nan"), float("inf")])
def test_refuses(wrong):
    with pytest.raises(ValueError, match="Received: invariance_weight="):
        keras_ssl.FroSSL(tiny_encoder(), projector=(4,), invariance_weight=wrong)
