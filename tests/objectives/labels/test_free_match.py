"""What FreeMatch computes, step after step, against float64 loops."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder
from tests.objectives.labels.semi import LABELS, after, array, cross_entropy, model_of, outcome, soft, supervised
from tests.objectives.labels.semi import tensors as inputs
from tests.objectives.reference import draws


def shares(values, divisors):
    quotients = np.array([v / d if d > 0 else 0.0 for v, d in zip(values, divisors, strict=True)])
    return quotients / quotients.sum()


def test_three_steps_equal_the_reference():
    model = model_of("FreeMatch", momentum=0.6, fairness_weight=0.3, unlabeled_weight=2.0)
    t, p, h = 1 / 3, np.full(3, 1 / 3), np.full(3, 1 / 3)
    for step in range(3):
        weak, strong = 2 * draws(8, 3, seed=step), draws(8, 3, seed=10 + step)
        rows = [(soft(w), s) for w, s, y in zip(weak, strong, LABELS, strict=True) if y < 0]
        t = 0.6 * t + 0.4 * np.mean([q.max() for q, _ in rows])
        p = 0.6 * p + 0.4 * np.mean([q for q, _ in rows], axis=0)
        h = 0.6 * h + 0.4 * np.mean([np.eye(3)[q.argmax()] for q, _ in rows], axis=0)
        used = [q.max() >= t * p[q.argmax()] / p.max() for q, _ in rows]
        losses = [cross_entropy(s, q.argmax()) * use for (q, s), use in zip(rows, used, strict=True)]
        kept = [soft(s) for (_, s), use in zip(rows, used, strict=True) if use]
        own = np.mean([np.eye(3)[q.argmax()] for q in kept], axis=0)
        fairness = np.sum(shares(p, h) * np.log(shares(np.mean(kept, axis=0), own) + 1e-12))
        embeddings = inputs(weak, strong)
        loss, logs = outcome(model, embeddings)
        assert loss == pytest.approx(supervised(weak) + 2.0 * np.mean(losses) + 0.3 * fairness, rel=1e-4)
        assert logs["threshold"] == pytest.approx(t, rel=1e-5) and logs["confident"] == pytest.approx(np.mean(used))
        after(model, embeddings)
        np.testing.assert_allclose(array(model.class_means.contents), p, rtol=1e-5)
        np.testing.assert_allclose(array(model.histogram.contents), h, rtol=1e-5)


def test_momentum_one_keeps_the_threshold_at_chance_which_uses_every_sample():
    model = model_of("FreeMatch", momentum=1.0, fairness_weight=0.0)
    fix = model_of("FixMatch", threshold=0.0)
    assert outcome(model, inputs())[0] == pytest.approx(outcome(fix, inputs())[0], rel=1e-6)


def test_state_stands_still_without_an_update_and_without_unlabeled_samples():
    model = model_of("FreeMatch")
    after(model, inputs(), updated=False)
    labeled = inputs(labels=np.zeros(8, "int32"))
    assert np.isfinite(outcome(model, labeled)[0])
    after(model, labeled)
    np.testing.assert_allclose(array(model.class_means.contents), 1 / 3, rtol=1e-6)
    # In an evaluation the means do not take in the batch.
    assert outcome(model, inputs(), training=False)[1]["threshold"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("options", "message"), [({"momentum": -0.5}, "momentum=-0.5"), ({"fairness_weight": -1}, "fairness_weight=-1")]
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.FreeMatch(tiny_encoder(), classes=3, **options)
