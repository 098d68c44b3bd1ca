"""What AdaMatch computes."""

import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder
from tests.objectives.labels.semi import LABELS, STRONG, WEAK, model_of, outcome, soft, supervised, tensors


def slow(threshold):
    labeled = [soft(w) for w, y in zip(WEAK, LABELS, strict=True) if y >= 0]
    unlabeled = [soft(w) for w, y in zip(WEAK, LABELS, strict=True) if y < 0]
    strong = [soft(s) for s, y in zip(STRONG, LABELS, strict=True) if y < 0]
    ratio = np.mean(labeled, axis=0) / np.mean(unlabeled, axis=0)
    least = threshold * np.mean([p.max() for p in labeled])
    losses, used = [], []
    for p, s in zip(unlabeled, strong, strict=True):
        q = p * ratio / np.sum(p * ratio)
        used.append(q.max() >= least)
        losses.append(-np.sum(q * np.log(s)) * used[-1])
    return np.mean(losses), np.mean(used), least


@pytest.mark.parametrize("threshold", [0.0, 0.9])
def test_equals_the_reference(threshold):
    loss, logs = outcome(model_of("AdaMatch", threshold=threshold, unlabeled_weight=2.0, warmup=False), tensors())
    unsupervised, used, least = slow(threshold)
    assert loss == pytest.approx(supervised() + supervised(STRONG) + 2.0 * unsupervised, rel=1e-5)
    assert logs["confident"] == pytest.approx(used) and logs["threshold"] == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize(
    ("updates", "total", "share"), [(0, 40, 0.0), (10, 40, 0.5), (20, 40, 1.0), (40, 40, 1.0), (3, 0, 1.0)]
)
def test_the_weight_rises_in_the_first_half(updates, total, share):
    loss, _ = outcome(model_of("AdaMatch", threshold=0.0), tensors(), updates=updates, total_updates=total)
    assert loss == pytest.approx(supervised() + supervised(STRONG) + share * slow(0.0)[0], rel=1e-5)


def test_one_labeled_sample_is_enough_for_a_threshold():
    labels = np.array([1] + [-1] * 7, "int32")
    loss, logs = outcome(model_of("AdaMatch", threshold=0.0, warmup=False), tensors(labels=labels))
    assert logs["confident"] == 1.0 and logs["unsupervised"] > 0


@pytest.mark.parametrize("label", [-1, 1])
def test_batches_of_one_kind_are_finite(label):
    loss, logs = outcome(model_of("AdaMatch"), tensors(labels=np.full(8, label, "int32")))
    assert np.isfinite(loss) and logs["unsupervised"] == 0.0


def test_refuses():
    with pytest.raises(ValueError, match="threshold=nan"):
        keras_ssl.AdaMatch(tiny_encoder(), classes=3, threshold=float("nan"))
