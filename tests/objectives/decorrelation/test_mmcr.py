"""What MMCR computes, against a slow reference."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl import views
from keras_ssl.training import Step
from tests.losses.test_mmcr_loss import reference
from tests.objectives.reference import draws, value
from tests.objectives.tiny import encoder


class TestMMCR:
    @pytest.mark.parametrize("weight", [0.0, 0.5])
    def test_equals_the_reference(self, weight):
        model = keras_ssl.MMCR(encoder(), projector=(6,), manifold_weight=weight)
        z = [draws(7, 6, seed=seed) for seed in range(3)]
        loss, _ = model.objective({f"z{number}": x for number, x in enumerate(z)}, Step.at(1))
        assert value(loss) == pytest.approx(reference([x.astype("float64") for x in z], weight), rel=1e-5)

    def test_takes_every_view(self):
        model = keras_ssl.MMCR(encoder(), projector=(6,), views=views.MultiView([views.RandomFlip(0.5)] * 4))
        assert list(model.embed({"x": np.zeros((8, 8, 8, 3), "uint8")}, Step.at(8))) == ["z1", "z2", "z3", "z4"]

    def test_errors(self):
        with pytest.raises(ValueError, match="manifold_weight.*Received: manifold_weight=-1"):
            keras_ssl.MMCR(encoder(), projector=(6,), manifold_weight=-1)
