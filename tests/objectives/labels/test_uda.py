"""What UDA computes."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder
from tests.objectives.labels.semi import (
    LABELS,
    STRONG,
    WEAK,
    cross_entropy,
    model_of,
    outcome,
    soft,
    supervised,
    tensors,
)


def slow(temperature, threshold):
    found = []
    for w, s, y in zip(WEAK, STRONG, LABELS, strict=True):
        if y < 0:
            p, q = soft(w / temperature), soft(s)
            found.append(np.sum(p * (np.log(p) - np.log(q))) if soft(w).max() >= threshold else 0.0)
    return np.mean(found)


@pytest.mark.parametrize(("temperature", "threshold", "weight"), [(0.4, 0.6, 2.0), (1.0, 0.0, 1.0)])
def test_equals_the_reference(temperature, threshold, weight):
    model = model_of("UDA", temperature=temperature, threshold=threshold, unlabeled_weight=weight)
    loss, _ = outcome(model, tensors())
    assert loss == pytest.approx(supervised() + weight * slow(temperature, threshold), rel=1e-4)


@pytest.mark.parametrize("updates", [0, 5, 10])
def test_annealing_leaves_out_what_is_learned(updates):
    model = model_of("UDA", annealing="linear", unlabeled_weight=0.0)
    rows = [(w, y) for w, y in zip(WEAK, LABELS, strict=True) if y >= 0]
    least = 1 / 3 + updates / 10 * (1 - 1 / 3)
    kept = [cross_entropy(w, y) for w, y in rows if soft(w)[y] <= least]
    loss, logs = outcome(model, tensors(), updates=updates, total_updates=10)
    assert loss == pytest.approx(np.mean(kept) if kept else 0.0, rel=1e-5)
    whole, _ = outcome(model, tensors(), training=False, updates=updates, total_updates=10)
    assert whole == pytest.approx(supervised(), rel=1e-6)
    if updates == 10:
        assert loss == pytest.approx(whole, rel=1e-6)


def test_annealing_drops_some_label_of_these():
    probabilities = [soft(w)[y] for w, y in zip(WEAK, LABELS, strict=True) if y >= 0]
    assert max(probabilities) > 1 / 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature=0.0"),
        ({"threshold": 2}, "threshold=2"),
        ({"annealing": "cosine"}, "annealing='cosine'"),
        ({"unlabeled_weight": float("inf")}, "unlabeled_weight=inf"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.UDA(tiny_encoder(), classes=3, **options)
