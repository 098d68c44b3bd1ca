"""What SoftMatch computes, step after step, against float64 loops."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder
from tests.objectives.labels.semi import LABELS, after, array, cross_entropy, model_of, outcome, soft, supervised
from tests.objectives.labels.semi import tensors as inputs
from tests.objectives.reference import draws


@pytest.mark.parametrize(("alignment", "deviations"), [(True, 1.0), (False, 2.0)])
def test_three_steps_equal_the_reference(alignment, deviations):
    model = model_of("SoftMatch", momentum=0.6, alignment=alignment, deviations=deviations, unlabeled_weight=2.0)
    mean, variance, p = 1 / 3, 1.0, np.full(3, 1 / 3)
    for step in range(3):
        weak, strong = 2 * draws(8, 3, seed=step), draws(8, 3, seed=10 + step)
        rows = [(soft(w), s) for w, s, y in zip(weak, strong, LABELS, strict=True) if y < 0]
        p = 0.6 * p + 0.4 * np.mean([q for q, _ in rows], axis=0)
        confidence = np.array([(q / p / np.sum(q / p) if alignment else q).max() for q, _ in rows])
        mean = 0.6 * mean + 0.4 * confidence.mean()
        variance = 0.6 * variance + 0.4 * confidence.var(ddof=1)
        sigma2 = variance / deviations**2
        weights = [1.0 if c >= mean else np.exp(-((c - mean) ** 2) / (2 * sigma2)) for c in confidence]
        losses = [w * cross_entropy(s, q.argmax()) for w, (q, s) in zip(weights, rows, strict=True)]
        embeddings = inputs(weak, strong)
        loss, logs = outcome(model, embeddings)
        assert loss == pytest.approx(supervised(weak) + 2.0 * np.mean(losses), rel=1e-5)
        assert logs["confident"] == pytest.approx(np.mean(weights), rel=1e-5)
        after(model, embeddings)
        np.testing.assert_allclose(array(model.confidence.contents), [mean, variance], rtol=1e-5)
        np.testing.assert_allclose(array(model.class_means.contents), p, rtol=1e-5)


def test_state_stands_still_without_an_update_and_without_unlabeled_samples():
    model = model_of("SoftMatch")
    after(model, inputs(), updated=False)
    labeled = inputs(labels=np.zeros(8, "int32"))
    assert np.isfinite(outcome(model, labeled)[0])
    after(model, labeled)
    np.testing.assert_allclose(array(model.confidence.contents), [1 / 3, 1.0], rtol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"), [({"momentum": 1.5}, "momentum=1.5"), ({"deviations": 0.0}, "deviations=0.0")]
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.SoftMatch(tiny_encoder(), classes=3, **options)
