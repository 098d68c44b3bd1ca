"""What ShrinkMatch computes, step after step, against float64 loops."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder
from tests.losses.semi_supervised.test_shrink_loss import slow as slow_shrink
from tests.objectives.labels.semi import LABELS, after, array, model_of, outcome, soft, supervised
from tests.objectives.labels.semi import tensors as inputs
from tests.objectives.reference import draws


@pytest.mark.parametrize("alignment", [False, True])
def test_three_steps_equal_the_reference(alignment):
    options = {"threshold": 0.7, "momentum": 0.6, "shrink_weight": 1.5, "unlabeled_weight": 2.0}
    model = model_of("ShrinkMatch", alignment=alignment, **options)
    r, mean = None, np.full(3, 1 / 3)
    for step in range(3):
        weak, strong, aux = (2 * draws(8, 3, seed=10 * n + step) for n in range(3))
        rows = [(soft(w), s, a) for w, s, a, y in zip(weak, strong, aux, LABELS, strict=True) if y < 0]
        mean = 0.6 * mean + 0.4 * np.mean([p for p, _, _ in rows], axis=0)
        if alignment:
            rows = [(p / mean / np.sum(p / mean), s, a) for p, s, a in rows]
        share = np.mean([p.max() >= 0.7 for p, _, _ in rows])
        r = share if r is None else 0.6 * r + 0.4 * share
        certain = [-np.sum(p * np.log(soft(s))) * (p.max() >= 0.7) for p, s, _ in rows]
        shrink = [slow_shrink(p, a.astype("float64"), 0.7)[0] for p, _, a in rows]
        embeddings = inputs(weak, strong, auxiliary=aux)
        loss, logs = outcome(model, embeddings)
        expected = supervised(weak) + 2.0 * np.mean(certain) + 1.5 * r * np.mean(shrink)
        assert loss == pytest.approx(expected, rel=1e-4)
        assert logs["certain"] == pytest.approx(r, rel=1e-5) and logs["confident"] == pytest.approx(share)
        after(model, embeddings)
        np.testing.assert_allclose(array(model.class_means.contents), mean, rtol=1e-5)
    assert array(model.certain.contents)[0] == pytest.approx(r, rel=1e-5)


def test_weight_zero_is_fix_match_with_soft_labels():
    weak, strong = 2 * draws(8, 3), draws(8, 3, seed=1)
    soft_labels = [
        -np.sum(soft(w) * np.log(soft(s))) * (soft(w).max() >= 0.7)
        for w, s, y in zip(weak, strong, LABELS, strict=True)
        if y < 0
    ]
    model = model_of("ShrinkMatch", threshold=0.7, shrink_weight=0.0)
    loss, _ = outcome(model, inputs(weak, strong, auxiliary=draws(8, 3, seed=2)))
    assert loss == pytest.approx(supervised(weak) + np.mean(soft_labels), rel=1e-5)


def test_state_stands_still_without_an_update_and_without_unlabeled_samples():
    model = model_of("ShrinkMatch")
    after(model, inputs(auxiliary=draws(8, 3)), updated=False)
    labeled = inputs(labels=np.zeros(8, "int32"), auxiliary=draws(8, 3))
    assert np.isfinite(outcome(model, labeled)[0])
    after(model, labeled)
    assert array(model.certain.contents)[0] == -1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, "threshold=1.5"),
        ({"shrink_weight": -1}, "shrink_weight=-1"),
        ({"momentum": 2}, "momentum=2"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.ShrinkMatch(tiny_encoder(), classes=3, **options)
