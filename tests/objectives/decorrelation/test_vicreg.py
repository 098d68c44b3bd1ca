"""What VICReg computes, against a slow reference and a limit."""

import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.losses.test_vicreg_loss import reference
from tests.objectives.reference import draws, value
from tests.objectives.tiny import encoder


class TestVICReg:
    @pytest.mark.parametrize("halve", [True, False])
    def test_equals_the_reference(self, halve):
        model = keras_ssl.VICReg(
            encoder(),
            projector=(6,),
            invariance_weight=3.0,
            variance_weight=5.0,
            covariance_weight=0.7,
            halve_variance=halve,
        )
        z1, z2 = 0.5 * draws(16, 6), 0.5 * draws(16, 6, seed=1)
        loss, logs = model.objective({"z1": z1, "z2": z2}, Step.at(1))
        expected = reference(z1.astype("float64"), z2.astype("float64"), (3.0, 5.0, 0.7), halve)
        assert value(loss) == pytest.approx(expected, rel=1e-5)
        total = 3 * logs["invariance"] + 5 * logs["variance"] + 0.7 * logs["covariance"]
        assert value(loss) == pytest.approx(value(total), rel=1e-6)

    def test_invariance_alone_is_the_mean_square_difference(self):
        model = keras_ssl.VICReg(encoder(), (6,), variance_weight=0, covariance_weight=0, invariance_weight=1)
        z1, z2 = draws(16, 6), draws(16, 6, seed=1)
        assert value(model.objective({"z1": z1, "z2": z2}, Step.at(1))[0]) == pytest.approx(
            ((z1 - z2) ** 2).mean(), rel=1e-5
        )

    @pytest.mark.parametrize("name", ["invariance_weight", "variance_weight", "covariance_weight"])
    def test_errors(self, name):
        with pytest.raises(ValueError, match=f"{name}.*Received: {name}=-1"):
            keras_ssl.VICReg(encoder(), projector=(6,), **{name: -1})
