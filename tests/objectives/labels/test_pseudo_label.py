"""What PseudoLabel computes."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder
from tests.objectives.labels.semi import LABELS, WEAK, cross_entropy, model_of, outcome, soft, supervised
from tests.objectives.reference import draws

LOGITS = {"features": draws(8, 4), "logits": WEAK, "y": LABELS}
LOGITS = {name: keras.ops.convert_to_tensor(part) for name, part in LOGITS.items()}


def slow(threshold):
    rows = [row for row, y in zip(WEAK, LABELS, strict=True) if y < 0]
    return np.mean([cross_entropy(row, row.argmax()) * (soft(row).max() >= threshold) for row in rows])


@pytest.mark.parametrize(("threshold", "weight"), [(0.0, 3.0), (0.7, 1.0)])
def test_equals_the_reference(threshold, weight):
    loss, logs = outcome(model_of("PseudoLabel", threshold=threshold, unlabeled_weight=weight), LOGITS)
    assert loss == pytest.approx(supervised() + weight * slow(threshold), rel=1e-5)
    right = [row.argmax() == y for row, y in zip(WEAK, LABELS, strict=True) if y >= 0 and soft(row).max() >= threshold]
    assert logs["precision"] == pytest.approx(np.mean(right))


def test_the_weight_rises_with_the_updates():
    model = model_of("PseudoLabel", threshold=0.0, warmup_steps=10)
    for updates, share in ((0, 0.0), (4, 0.4), (30, 1.0)):
        loss, _ = outcome(model, LOGITS, updates=updates)
        assert loss == pytest.approx(supervised() + share * slow(0.0), rel=1e-5)


def test_threshold_one_is_supervised_training():
    assert outcome(model_of("PseudoLabel", threshold=1.0), LOGITS)[0] == pytest.approx(supervised(), rel=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"threshold": float("nan")}, "threshold=nan"), ({"warmup_steps": -1}, "warmup_steps=-1")],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.PseudoLabel(tiny_encoder(), classes=3, **options)
