"""What HardContrastive computes, against a slow reference and SimCLR."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import encoder

Z = {"z1": draws(7, 6), "z2": draws(7, 6) + 0.5 * draws(7, 6, seed=1)}


def test_equals_the_reference():
    model = keras_ssl.HardContrastive(encoder(), projector=(6,), temperature=0.3, quantile=0.5)
    z, total = unit(np.concatenate([Z["z1"], Z["z2"]]).astype("float64")), 0.0
    for i in range(14):
        positive = z[i] @ z[(i + 7) % 14] / 0.3
        negatives = np.sort([z[i] @ z[j] / 0.3 for j in range(14) if j % 7 != i % 7])
        total += np.logaddexp.reduce([positive, *negatives[6:]]) - positive  # 6 of 12 are left
    assert value(model.objective(Z, Step.at(1))[0]) == pytest.approx(total / 14, rel=1e-5)


def test_quantile_0_is_simclr():
    hard = keras_ssl.HardContrastive(encoder(), projector=(6,), temperature=0.3, quantile=0.0)
    plain = keras_ssl.SimCLR(encoder(), projector=(6,), temperature=0.3)
    assert value(hard.objective(Z, Step.at(1))[0]) == value(plain.objective(Z, Step.at(1))[0])


@pytest.mark.parametrize("quantile", [-0.1, 1])
def test_refuses_a_quantile_out_of_range(quantile):
    with pytest.raises(ValueError, match=f"quantile.*Received: quantile={quantile}"):
        keras_ssl.HardContrastive(encoder(), projector=(6,), quantile=quantile)
