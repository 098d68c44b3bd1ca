"""Tests of keras_ssl.data.SkillItSampler."""

import keras
import numpy as np
import pytest

from keras_ssl.data import SkillItSampler

SKILL = np.repeat(np.arange(3), 10)
X = np.arange(30.0)[:, None]
CHAIN = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.0, 0.0, 1.0]])


def make(graph=CHAIN, **options):
    return SkillItSampler(X, np.arange(30) % 2, skill=SKILL, graph=graph, **{"batch_size": 5, **options})


@pytest.mark.parametrize("window", [1, 2, 3, None])
@pytest.mark.parametrize("prior", [None, [1.0, 2.0, 5.0]])
def test_equals_the_formula(window, prior):
    random, sampler, losses = np.random.default_rng(0), make(eta=0.3, window=window, prior=prior), []
    for number in range(6):
        counted = losses[-window:] if window else losses
        expected = []
        for i in range(3):
            total = sum(CHAIN[i, j] * (sum(loss[j] for loss in counted) if losses else 1.0) for j in range(3))
            expected.append((prior or [1, 1, 1])[i] * np.exp(0.3 * total))
        np.testing.assert_allclose(sampler.proportions, np.array(expected) / sum(expected), rtol=1e-12)
        assert sampler.proportions.sum() == pytest.approx(1.0) and (sampler.proportions > 0).all()
        np.testing.assert_array_equal(sampler.probabilities(number), sampler.proportions)
        losses.append(random.uniform(0, 3, 3))
        np.testing.assert_array_equal(sampler.update(losses[-1]), sampler.proportions)


def test_no_step_is_uniform_forever():
    sampler = make(eta=0.0)
    for losses in ([5.0, 0.0, 1.0], [0.0, 0.0, 9.0]):
        np.testing.assert_allclose(sampler.update(losses), 1 / 3)


def test_the_identity_is_exponentiated_gradient():
    random, sampler = np.random.default_rng(1), make(np.eye(3), eta=0.7, window=None)
    sampler.update(losses := random.uniform(0, 2, 3))
    expected = np.exp(0.7 * losses)
    expected /= expected.sum()
    for _ in range(4):
        np.testing.assert_allclose(sampler.proportions, expected, rtol=1e-12)
        sampler.update(losses := random.uniform(0, 2, 3))
        expected = expected * np.exp(0.7 * losses)
        expected /= expected.sum()


def test_equal_losses_and_row_sums_change_nothing():
    ring = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.5], [0.5, 0.0, 1.0]])
    for window in (1, 3, None):
        sampler = make(ring, eta=2.0, window=window, prior=[1.0, 2.0, 3.0])
        for _ in range(4):
            np.testing.assert_allclose(sampler.update([1.7, 1.7, 1.7]), [1 / 6, 1 / 3, 1 / 2], rtol=1e-12)


def test_the_prerequisite_comes_first_and_leaves_when_it_is_learned():
    sampler = SkillItSampler(X[:20], skill=SKILL[:20], graph=[[1.0, 0.5], [0.0, 1.0]], eta=1.0, window=1)
    first, last = sampler.update([2.0, 2.0]), sampler.update([0.1, 2.0])
    assert first[0] > 0.7 and last[1] > 0.7


def test_only_evaluated_skills_need_losses():
    sampler = make(CHAIN[:, 2:], eta=1.0, window=1)
    np.testing.assert_allclose(
        sampler.update([2.0]), np.exp([0.0, 1.0, 2.0]) / np.exp([0.0, 1.0, 2.0]).sum(), rtol=1e-12
    )


def test_huge_losses_do_not_overflow():
    np.testing.assert_allclose(make(np.eye(3), eta=1.0).update([1e6, 0.0, 0.0]), [1.0, 0.0, 0.0], atol=1e-12)


def test_frequencies_follow_the_proportions_and_history_resumes():
    sampler = make(eta=1.0, batches=2000)
    expected = sampler.update([2.0, 1.0, 0.0])
    shares = np.bincount(SKILL[sampler.indices(1)], minlength=3) / 10000
    assert (np.abs(shares - expected) <= 4 * np.sqrt(expected * (1 - expected) / 10000)).all()
    resumed = make(eta=1.0, batches=2000)
    resumed.history = list(sampler.history)
    np.testing.assert_array_equal(resumed.indices(1), sampler.indices(1))


def test_the_callback_updates_between_epochs():
    sampler = make(np.eye(3), eta=50.0, window=1, batches=8, pairs=True)
    model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    seen, load = {}, sampler.load

    def watched(order, start):
        seen.setdefault(sampler.epoch, []).append(SKILL[sampler._drawn(sampler.epoch, order[start : start + 5])])
        return load(order, start)

    sampler.load = watched
    losses = iter([[0.0, 9.0, 0.0], [9.0, 0.0, 0.0], [0.0, 0.0, 9.0]])
    model.fit(sampler, epochs=3, shuffle=False, verbose=0, callbacks=[sampler.callback(lambda _: next(losses))])
    assert len(sampler.history) == 3
    # The last batches of an epoch are surely read within it (Keras looks at the first one beforehand).
    assert set(seen[1][-1].tolist()) == {1} and set(seen[2][-1].tolist()) == {0}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("skill", np.repeat([0, 1, 3], 10)),
        ("graph", np.eye(2)),
        ("graph", -np.eye(3)),
        ("graph", np.full((3, 3), np.nan)),
        ("graph", np.ones(3)),
        ("eta", -0.1),
        ("eta", float("inf")),
        ("window", 0),
        ("window", 1.5),
        ("prior", [1.0, 1.0]),
        ("prior", [1.0, 1.0, 0.0]),
    ],
)
def test_bad_arguments_are_refused(name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        SkillItSampler(X, **{"skill": SKILL, "graph": CHAIN, name: value})


@pytest.mark.parametrize("losses", [[1.0, 1.0], [1.0, 1.0, -0.1], [1.0, np.nan, 1.0], [[1.0, 1.0, 1.0]]])
def test_bad_losses_are_refused_and_not_kept(losses):
    sampler = make()
    with pytest.raises(ValueError, match="`losses`.*Received: losses="):
        sampler.update(losses)
    assert sampler.history == []
