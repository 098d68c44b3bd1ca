"""What GroCo computes on its views."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.losses.test_groco_loss import reference
from tests.objectives.reference import draws, value
from tests.objectives.tiny import EAGERLY, cheap_crops, cheap_views, encoder


def make(**options):
    return keras_ssl.GroCo(encoder(), **{"projector": (6,), "negatives": 3, "views": cheap_views(), **options})


@pytest.mark.parametrize("global_crops", [None, 2])
def test_equals_the_reference_with_more_views_than_two(global_crops):
    model = make(steepness=3.0, global_crops=global_crops)
    views = [draws(7, 6, seed=seed) for seed in range(3)]
    found = value(model.objective({f"z{k}": view for k, view in enumerate(views, start=1)}, Step.at(1))[0])
    expected = reference([view.astype("float64") for view in views], 3.0, 3, global_crops)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
def test_takes_local_crops():
    model = make(views=cheap_crops(), global_crops=2)
    model.compile("sgd", run_eagerly=EAGERLY)
    x = np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")
    assert np.isfinite(model.fit(x, batch_size=8, verbose=0).history["loss"][0])


def test_errors():
    with pytest.raises(ValueError, match="Received: steepness=0"):
        make(steepness=0)
    with pytest.raises(ValueError, match="Received: negatives=0"):
        make(negatives=0)
    with pytest.raises(ValueError, match="Received: global_crops=1"):
        make(global_crops=1)
    model = make(negatives=8)
    model.compile("sgd", run_eagerly=EAGERLY)
    with pytest.raises(ValueError, match="Received: negatives=8, a batch of 8 samples"):
        model.fit(np.zeros((8, 16, 16, 3), "uint8"), batch_size=8, verbose=0)
