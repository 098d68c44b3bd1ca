"""What LeJEPA computes: a slow reference, limits, shared directions."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.random_directions import random_directions
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step, engine
from tests.losses.test_sigreg_loss import reference as slow_sigreg
from tests.losses.test_view_mean_loss import reference as slow_invariance
from tests.objectives.reference import draws, value


def outcome(model, views, **options):
    z = {f"z{k}": keras.ops.convert_to_tensor(view) for k, view in enumerate(views, start=1)}
    return engine.reduce(model, z, Step.at(len(views[0]), **options))


def directions_of(step, count, width):
    return keras.ops.convert_to_numpy(random_directions(step.shared_stream(), count, width)).astype("float64")


@pytest.mark.parametrize(("weight", "global_views"), [(0.02, None), (0.3, 2)])
def test_equals_the_reference(weight, global_views):
    views = [draws(6, 12, seed=seed) for seed in range(4)]
    model = tiny_model("LeJEPA", weight=weight, global_views=global_views, directions=5)
    found = outcome(model, views)
    wide = [view.astype("float64") for view in views]
    invariance = slow_invariance(wide, global_views or 4)
    regularizer = np.mean([slow_sigreg(view, directions_of(Step.at(6), 5, 12)) for view in wide])
    assert value(found.logs["invariance"]) == pytest.approx(invariance, rel=1e-5)
    assert value(found.logs["regularizer"]) == pytest.approx(regularizer, rel=1e-4)
    assert value(found.loss) == pytest.approx((1 - weight) * invariance + weight * regularizer, rel=1e-4)


def test_views_are_no_one_sample():
    """Each view has its own statistic: two views that lie apart are not normal, though together they may be."""
    model = tiny_model("LeJEPA", weight=1.0, directions=8)
    z = draws(40, 12)
    apart = [z - 2, z + 2]
    together = slow_sigreg(np.concatenate(apart).astype("float64"), directions_of(Step.at(40), 8, 12)[:2])
    assert value(outcome(model, apart).loss) != pytest.approx(together, rel=0.05)


@pytest.mark.parametrize(("weight", "name"), [(0.0, "invariance"), (1.0, "regularizer")])
def test_limits_are_its_terms(weight, name):
    found = outcome(tiny_model("LeJEPA", weight=weight), [draws(6, 12), draws(6, 12, seed=1)])
    assert value(found.loss) == pytest.approx(value(found.logs[name]), rel=1e-6)


def test_other_steps_look_from_other_directions():
    model, views = tiny_model("LeJEPA", weight=1.0), [draws(6, 12)] * 2
    first, again, later = (value(outcome(model, views, index=index).loss) for index in (0, 0, 1))
    assert first == again and abs(first - later) > 1e-4


def test_the_authors_defaults():
    model = keras_ssl.LeJEPA(tiny_encoder())
    config = model.get_config()
    assert config["projector"] == [2048, 2048, 16] and config["weight"] == 0.02 and config["directions"] == 1024
    assert model.number_of_views == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": 1.1}, "weight=1.1"),
        ({"weight": float("nan")}, "weight=nan"),
        ({"directions": 0}, "directions=0"),
        ({"global_views": 0}, "global_views=0"),
        ({"knots": 1}, "knots=1"),
        ({"limit": 0.0}, "limit=0.0"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.LeJEPA(tiny_encoder(), projector=(4,), **options)


def test_fewer_views_than_global_views_are_refused():
    model = tiny_model("LeJEPA", global_views=3)
    with pytest.raises(ValueError, match="Received: global_crops=3, 2 views"):
        model.embed({"x": np.zeros((4, 16, 16, 3), "uint8")}, Step.at(4))
