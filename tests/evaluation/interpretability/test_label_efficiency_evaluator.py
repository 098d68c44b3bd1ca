"""The evaluator: nested labels, a separable toy, and the labels that the label model gives."""

import numpy as np
import pytest

from keras_ssl.evaluation import LabelEfficiencyEvaluator

RNG = np.random.default_rng(0)


def clusters(count, classes=3, distance=6.0, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(count) % classes
    return rng.normal(size=(count, 6)) + distance * np.eye(6)[y], y


def test_more_labels_never_reduce_the_supervised_baseline_on_a_separable_toy():
    x, y = clusters(300)
    found = [LabelEfficiencyEvaluator(labels=n)(x[:200], y[:200], x[200:], y[200:]) for n in (6, 12, 50)]
    scores = [each.supervised for each in found]
    assert scores == sorted(scores) and scores[-1] == 1.0
    assert found[-1].weak == 1.0 and found[-1].label_model > 0.9 and found[-1].coverage > 0.9


def test_labeled_samples_are_nested_and_cover_all_classes_first():
    y = np.repeat(["a", "b", "c"], [50, 30, 2])
    few, many = (LabelEfficiencyEvaluator(labels=n, seed=4).labeled(y) for n in (6, 20))
    assert np.array_equal(few, many[:6]) and len(set(many.tolist())) == 20
    assert sorted(y[few].tolist()) == ["a", "a", "b", "b", "c", "c"]
    assert not np.array_equal(few, LabelEfficiencyEvaluator(labels=6, seed=5).labeled(y))


def test_names_of_classes_and_unlabeled_samples():
    x, y = clusters(120)
    names = np.array(["zero", "one", "two"])
    found = LabelEfficiencyEvaluator(labels=30)(x[:60], names[y[:60]], x[60:], names[y[60:]])
    assert found.supervised == 1.0
    hidden = y.copy()
    hidden[:5] = -1
    assert LabelEfficiencyEvaluator(labels=30)(x[:60], hidden[:60], x[60:], y[60:]).supervised == 1.0


def test_all_labels_make_both_uses_the_same():
    x, y = clusters(90, distance=1.0)
    found = LabelEfficiencyEvaluator(labels=60)(x[:60], y[:60], x[60:], y[60:])
    assert found.weak == found.supervised < 1.0


def test_without_neighbors_only_stumps_vote():
    x, y = clusters(200)
    found = LabelEfficiencyEvaluator(labels=30, subspaces=0)(x[:100], y[:100], x[100:], y[100:])
    assert found.label_model > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": 1}, "Received: labels=1"),
        ({"subspaces": -1}, "Received: subspaces=-1"),
        ({"neighbors": 0}, "Received: neighbors=0"),
        ({"regularization": 0.0}, "Received: regularization=0.0"),
        ({"regularization": np.nan}, "Received: regularization=nan"),
        ({"seed": -1}, "Received: seed=-1"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        LabelEfficiencyEvaluator(**options)


def test_refuses_data():
    x, y = clusters(20)
    with pytest.raises(ValueError, match="Received: labels=21"):
        LabelEfficiencyEvaluator(labels=21)(x, y, x, y)
    with pytest.raises(ValueError, match="Received: labels=5"):
        LabelEfficiencyEvaluator(labels=5)(x, 0 * y, x, y)
