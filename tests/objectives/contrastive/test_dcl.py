"""What DCL and DCLW compute, against a slow reference and their limits."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import encoder


def embeddings(count=7):
    return {"z1": draws(count, 6), "z2": draws(count, 6) + 0.5 * draws(count, 6, seed=1)}


def slow_dcl(z1, z2, temperature, sigma=None):
    n = len(z1)
    z = unit(np.concatenate([z1, z2]).astype("float64"))
    density = np.ones(n) if sigma is None else np.exp((z[:n] * z[n:]).sum(1) / sigma)
    weights, total = 2.0 - density / density.mean(), 0.0
    for i in range(2 * n):
        rivals = sum(np.exp(z[i] @ z[j] / temperature) for j in range(2 * n) if j % n != i % n)
        total += np.log(rivals) - weights[i % n] * (z[i] @ z[(i + n) % (2 * n)]) / temperature
    return total / (2 * n)


@pytest.mark.parametrize("sigma", [None, 0.5, 0.1])
def test_equals_the_reference(sigma):
    options = {"projector": (6,), "temperature": 0.3}
    if sigma is None:
        model = keras_ssl.DCL(encoder(), **options)
    else:
        model = keras_ssl.DCLW(encoder(), sigma=sigma, **options)
    z = embeddings()
    assert value(model.objective(z, Step.at(1))[0]) == pytest.approx(slow_dcl(z["z1"], z["z2"], 0.3, sigma), rel=1e-5)


def test_for_two_anchors_simclr_is_softplus_of_dcl():
    # With one number for all anchors the identity holds for the mean as well: equal pairs at right angles.
    z = {"z1": np.eye(3, dtype="float32"), "z2": np.eye(3, dtype="float32")}
    losses = [
        value(objective(encoder(), projector=(3,), temperature=0.5).objective(z, Step.at(1))[0])
        for objective in (keras_ssl.DCL, keras_ssl.SimCLR)
    ]
    assert np.logaddexp(0.0, losses[0]) == pytest.approx(losses[1], rel=1e-5)


def test_dclw_with_a_large_sigma_is_dcl():
    z = embeddings()
    weighted = keras_ssl.DCLW(encoder(), projector=(6,), sigma=1e6)
    plain = keras_ssl.DCL(encoder(), projector=(6,))
    assert value(weighted.objective(z, Step.at(1))[0]) == pytest.approx(
        value(plain.objective(z, Step.at(1))[0]), rel=1e-5
    )


def test_errors():
    with pytest.raises(ValueError, match="Received: sigma=0"):
        keras_ssl.DCLW(encoder(), projector=(6,), sigma=0)
    with pytest.raises(ValueError, match="Received: temperature=0"):
        keras_ssl.DCL(encoder(), projector=(6,), temperature=0)
