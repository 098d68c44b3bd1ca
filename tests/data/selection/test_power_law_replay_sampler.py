"""Tests of keras_ssl.data.PowerLawReplaySampler and its base."""

import keras
import numpy as np
import pytest

from keras_ssl.data import PowerLawReplaySampler

TASK = np.repeat(np.arange(4), [30, 10, 20, 40])
X = np.arange(100.0)[:, None]


def make(**options):
    return PowerLawReplaySampler(X, np.arange(100) % 3, task=TASK, **{"batch_size": 5, **options})


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 2.5])
@pytest.mark.parametrize("times", [None, [0, 2, 2, 5]])
def test_probabilities_by_the_formula(exponent, times):
    sampler = make(exponent=exponent, times=times)
    for epoch in range(8):
        shares = []
        for number in range(4):
            time = number if times is None else times[number]
            shares.append((epoch + 1 - time) ** -exponent if time <= epoch else 0.0)
        found = sampler.probabilities(epoch)
        np.testing.assert_allclose(found, np.array(shares) / sum(shares), rtol=1e-12)
        assert found.sum() == pytest.approx(1.0, abs=1e-12)


def test_limits():
    np.testing.assert_allclose(make(exponent=0.0).probabilities(2), [1 / 3, 1 / 3, 1 / 3, 0.0])
    for exponent in (200.0, 1e6):
        np.testing.assert_allclose(make(exponent=exponent).probabilities(3), [0.0, 0.0, 0.0, 1.0], atol=1e-30)
    # Long after all tasks, they are as good as equally old.
    np.testing.assert_allclose(make().probabilities(10**6), 0.25, rtol=1e-5)


def test_frequencies_match_the_law_and_samples_of_a_task_are_equally_likely():
    sampler = make(exponent=1.0, batches=8000)
    found = sampler.indices(epoch=2)
    assert len(found) == 40000 and found.dtype == np.int64
    shares = np.bincount(TASK[found], minlength=4) / len(found)
    expected = sampler.probabilities(2)
    assert (np.abs(shares - expected) <= 4 * np.sqrt(expected * (1 - expected) / len(found))).all()
    counts = np.bincount(found, minlength=100)
    for number in range(3):
        own = counts[TASK == number]
        assert np.abs(own - own.mean()).max() < 5 * np.sqrt(own.mean())
    assert counts[TASK == 3].sum() == 0


def test_batches_hold_the_indices_of_the_epoch_and_are_pure():
    sampler = make(batches=6, epoch=1)
    for epoch in (1, 2):
        order = sampler.indices(epoch)
        batches = [sampler[k] for k in range(len(sampler))][::-1]
        np.testing.assert_array_equal(np.concatenate([batch["index"] for batch in batches[::-1]]), order)
        np.testing.assert_array_equal(batches[0]["x"][:, 0], order[-5:])
        np.testing.assert_array_equal(batches[0]["group"], TASK[order[-5:]])
        np.testing.assert_array_equal(batches[0]["y"], order[-5:] % 3)
        sampler.on_epoch_end()
    np.testing.assert_array_equal(make(batches=6).indices(2), sampler.indices(2))
    assert not np.array_equal(make(batches=6, seed=1).indices(2), sampler.indices(2))
    assert not np.array_equal(sampler.indices(2), sampler.indices(3))
    assert len(make()) == 5 and len(make(batch_size=64)) == 1


def test_workers_share_each_batch():
    whole, parts = make(batches=3, batch_size=6, epoch=2), [make(batches=3, batch_size=6, epoch=2) for _ in range(2)]
    for number, part in enumerate(parts):
        part.take_part(number, 2)
    for k in range(3):
        found = np.concatenate([part[k]["index"] for part in parts])
        assert sorted(found.tolist()) == sorted(whole[k]["index"].tolist()) and len(parts[0][k]["index"]) == 3


def test_fit_of_a_plain_model_counts_epochs():
    sampler = make(exponent=1e6, pairs=True, batches=4)
    seen = []
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(3)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    load = sampler.load
    sampler.load = lambda order, start: (seen.append((sampler.epoch, start)), load(order, start))[1]
    model.fit(sampler, epochs=3, shuffle=False, verbose=0)
    assert sampler.epoch == 3
    assert {epoch for epoch, _ in seen} >= {0, 1, 2}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task", np.repeat([0, 2], 50)),
        ("task", np.full(100, -1)),
        ("task", np.zeros(100)),
        ("task", np.zeros((100, 1), int)),
        ("exponent", -1.0),
        ("exponent", float("nan")),
        ("exponent", float("inf")),
        ("times", [0, 1, 2]),
        ("times", [1, 2, 3, 4]),
        ("times", [0, 2, 1, 3]),
        ("times", [0, 1, 2, float("nan")]),
        ("batch_size", 0),
        ("batches", 0),
        ("seed", -1),
    ],
)
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`?{name}`?.*Received: {name}="):
        PowerLawReplaySampler(X, **{"task": TASK, name: value})


def test_bad_arrays_are_refused():
    with pytest.raises(ValueError, match="Received"):
        PowerLawReplaySampler(X[:50], task=TASK)
    with pytest.raises(ValueError, match="Received: pairs="):
        PowerLawReplaySampler(X, task=TASK, pairs=True)
    with pytest.raises(ValueError, match="NaN|infinity|finite"):
        PowerLawReplaySampler(np.full((100, 1), np.nan), task=TASK)
    with pytest.raises(ValueError, match="Received: epoch=-1"):
        make().probabilities(-1)
