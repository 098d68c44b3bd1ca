"""What MultiViewInfoNCE and MultiViewDHEL compute: all views that they are given, in any order."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl.training import Step
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import EAGERLY, encoder, four_views

KIND = [keras_ssl.MultiViewInfoNCE, keras_ssl.MultiViewDHEL]
VIEWS = [draws(5, 6) + 0.7 * draws(5, 6, seed=seed) for seed in (1, 2, 3)]


def embeddings(views=VIEWS):
    return {f"z{number}": z for number, z in enumerate(views, start=1)}


def slow(kind, views, temperature):
    z = [unit(view.astype("float64")) for view in views]
    count, n, total = len(z), len(z[0]), 0.0
    for i in range(n):
        above = sum(np.exp(z[v][i] @ z[w][i] / temperature) for v in range(count) for w in range(count) if v != w)
        if kind is keras_ssl.MultiViewDHEL:
            below = np.prod([sum(np.exp(v[i] @ v[j] / temperature) for j in range(n) if j != i) for v in z])
            above /= 2
        else:
            everything = np.concatenate(z)
            below = sum(np.exp(everything @ v[i] / temperature).sum() - np.exp(1 / temperature) for v in z)
        total -= np.log(above / below)
    return total / n


@pytest.mark.parametrize("kind", KIND)
@pytest.mark.parametrize("count", [2, 3])
def test_equals_the_reference(kind, count):
    model = kind(encoder(), projector=(6,), temperature=0.3)
    loss = value(model.objective(embeddings(VIEWS[:count]), Step.at(1))[0])
    assert loss == pytest.approx(slow(kind, VIEWS[:count], 0.3), rel=1e-5)


@pytest.mark.parametrize("kind", KIND)
def test_the_order_of_the_views_does_not_matter(kind):
    model = kind(encoder(), projector=(6,), temperature=0.3)
    there, back = (value(model.objective(embeddings(views), Step.at(1))[0]) for views in (VIEWS, VIEWS[::-1]))
    assert there == pytest.approx(back, rel=1e-5)


@pytest.mark.parametrize("kind", KIND)
def test_takes_all_views_that_it_is_given(kind):
    x = np.random.RandomState(0).randint(0, 256, (6, 8, 8, 3)).astype("uint8")
    model = kind(encoder(), projector=(6,), views=four_views())
    assert sorted(model.embed({"x": x}, Step.at(6, training=False))) == ["z1", "z2", "z3", "z4"]
    assert len(model.default_views()) == 4


@pytest.mark.parametrize("kind", KIND)
def test_one_view_is_an_error(kind):
    views = keras_ssl.views.MultiView([keras_ssl.views.RandomFlip(0.5)])
    model = kind(encoder(), projector=(6,), views=views)
    model.compile("sgd", run_eagerly=EAGERLY)
    with pytest.raises(ValueError, match="needs 2 views of every sample. Received: 1 views"):
        model.fit(np.zeros((8, 8, 8, 3), "uint8"), batch_size=8, verbose=0)


@pytest.mark.parametrize("kind", KIND)
def test_temperature(kind):
    with pytest.raises(ValueError, match="temperature.*Received: temperature=0"):
        kind(encoder(), projector=(6,), temperature=0)
