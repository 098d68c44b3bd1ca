"""What SwAV computes: codes, queue and frozen prototypes, against slow references."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.losses.swav_loss import swav_loss
from keras_ssl.training import Step
from tests.losses.test_sinkhorn import reference as slow_codes
from tests.losses.test_swapped_prediction_loss import reference as slow_swapped
from tests.objectives.reference import draws, unit, value
from tests.objectives.tiny import EAGERLY, OBJECTIVES, cheap_views, encoder


def make(**options):
    model = keras_ssl.SwAV(
        encoder(), **{"projector": (6,), "prototypes": 5, "freeze_steps": 0, "views": cheap_views(), **options}
    )
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
    return model


def crops(count, n=8):
    return {f"z{number}": draws(n, 6, seed=number) for number in range(1, count + 1)}


def cosines(model, z):
    kernel = keras.ops.convert_to_numpy(model.prototypes.kernel).astype("float64")
    return unit(z.astype("float64")) @ unit(kernel.T).T


def images(count=24):
    return np.random.RandomState(0).randint(0, 256, (count, 16, 16, 3)).astype("uint8")


@pytest.mark.parametrize("count", [2, 4])
def test_equals_the_reference(count):
    model, z = make(), crops(count)
    scores = [cosines(model, view) for view in z.values()]
    expected = slow_swapped([view / 0.1 for view in scores], [slow_codes(view, 0.05, 3) for view in scores[:2]])
    loss, logs = model.objective(z, Step.at(1))
    assert value(loss) == pytest.approx(expected, rel=1e-4)
    assert 1.0 < value(logs["perplexity"]) <= 5.0


def test_an_empty_queue_changes_nothing_and_a_full_one_takes_part_in_the_codes():
    model, z = make(queue_size=16), crops(3)
    plain = value(swav_loss([model.prototypes(view) for view in z.values()]))
    assert value(model.objective(z, Step.at(1))[0]) == pytest.approx(plain, rel=1e-5)
    past = [draws(16, 6, seed=seed) for seed in (8, 9)]
    for queue, rows in zip(model.queues, past, strict=True):
        queue.enqueue(rows[:8])
    assert value(model.objective(z, Step.at(1))[0]) == pytest.approx(plain, rel=1e-5)
    for queue, rows in zip(model.queues, past, strict=True):
        queue.enqueue(rows[8:])
    scores = [cosines(model, view) for view in z.values()]
    codes = [
        slow_codes(np.concatenate([s, cosines(model, p)]), 0.05, 3)[:8] for s, p in zip(scores, past, strict=False)
    ]
    expected = slow_swapped([view / 0.1 for view in scores], codes)
    assert value(model.objective(z, Step.at(1))[0]) == pytest.approx(expected, rel=1e-4)
    assert abs(expected - plain) > 1e-3


def test_the_queue_is_filled_from_its_start_on():
    model = make(queue_size=24, queue_start=1)
    model.fit(images(12), batch_size=12, verbose=0)
    np.testing.assert_array_equal(model.queues[0].contents, 0.0)
    model.fit(images(24), batch_size=12, verbose=0)
    rows = keras.ops.convert_to_numpy(model.queues[1].contents)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, rtol=1e-5)
    assert np.abs(rows - keras.ops.convert_to_numpy(model.queues[0].contents)).max() > 1e-3


def test_prototypes_stand_still_at_first():
    model = make(freeze_steps=2)
    before = keras.ops.convert_to_numpy(model.prototypes.kernel).copy()
    projector = keras.ops.convert_to_numpy(model.projector.weights[0]).copy()
    model.fit(images(24), batch_size=12, verbose=0)
    np.testing.assert_array_equal(model.prototypes.kernel, before)
    assert np.abs(keras.ops.convert_to_numpy(model.projector.weights[0]) - projector).max() > 0
    model.fit(images(12), batch_size=12, verbose=0)
    assert np.abs(keras.ops.convert_to_numpy(model.prototypes.kernel) - before).max() > 0


@pytest.mark.slow
def test_local_crops_pass_and_have_no_code():
    model = OBJECTIVES["swav"]()
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=EAGERLY)
    logs = model.fit(images(12), batch_size=12, verbose=0).history
    assert np.isfinite(logs["loss"][0]) and len(model.queues) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prototypes": 0}, "count=0"),
        ({"global_crops": 0}, "global_crops=0"),
        ({"temperature": 0}, "temperature=0"),
        ({"epsilon": 0}, "epsilon=0"),
        ({"iterations": 0}, "iterations=0"),
        ({"queue_size": -1}, "queue_size=-1"),
        ({"freeze_steps": -1}, "freeze_steps=-1"),
    ],
)
def test_errors(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        make(**options)


@pytest.mark.parametrize("queue_size", [8, 18])
def test_a_queue_holds_whole_batches(queue_size):
    with pytest.raises(ValueError, match=f"Received: queue_size={queue_size}, batch_size=12"):
        make(queue_size=queue_size).fit(images(), batch_size=12, verbose=0)


def test_more_global_crops_than_views():
    with pytest.raises(ValueError, match="Received: global_crops=3, 2 views"):
        make(global_crops=3).fit(images(), batch_size=12, verbose=0)
