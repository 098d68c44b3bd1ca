"""What SimCLR computes, against a slow reference, closed forms and limits."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import encoder


class TestSimCLR:
    def test_equals_the_reference(self):
        model = keras_ssl.SimCLR(encoder(), projector=(6,), temperature=0.3)
        z1, z2 = draws(7, 6), draws(7, 6, seed=1)
        z = unit(np.concatenate([z1, z2]).astype("float64"))
        total = 0.0
        for i in range(14):
            rivals = sum(np.exp(z[i] @ z[j] / 0.3) for j in range(14) if j != i)
            total += np.log(rivals) - z[i] @ z[(i + 7) % 14] / 0.3
        assert value(model.objective({"z1": z1, "z2": z2}, Step.at(1))[0]) == pytest.approx(total / 14, rel=1e-5)

    def test_the_last_batch_norm_scales_but_does_not_shift(self):
        names = [w.name for w in keras_ssl.SimCLR(encoder(), projector=(6, 4)).projector.trainable_weights]
        assert names.count("gamma") == 2 and names.count("beta") == 1

    def test_temperature(self):
        with pytest.raises(ValueError, match="temperature.*Received: temperature=0"):
            keras_ssl.SimCLR(encoder(), projector=(6,), temperature=0)
