"""What MeanTeacher computes, and how its teacher moves."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.testing.tiny_model import tiny_encoder
from tests.objectives.labels.semi import LABELS, STRONG, WEAK, array, model_of, outcome, soft, supervised
from tests.objectives.reference import draws

LOGITS = {"features": draws(8, 4), "logits": WEAK, "teacher": STRONG, "y": LABELS}
LOGITS = {name: keras.ops.convert_to_tensor(part) for name, part in LOGITS.items()}
CONSISTENCY = np.mean([(soft(w) - soft(s)) ** 2 for w, s in zip(WEAK, STRONG, strict=True)])


@pytest.mark.parametrize(("updates", "share"), [(0, np.exp(-5)), (5, np.exp(-1.25)), (10, 1.0), (99, 1.0)])
def test_equals_the_reference(updates, share):
    loss, logs = outcome(model_of("MeanTeacher", unlabeled_weight=7.0, warmup_steps=10), LOGITS, updates=updates)
    assert logs["consistency"] == pytest.approx(CONSISTENCY, rel=1e-5)
    assert loss == pytest.approx(supervised() + 7.0 * share * CONSISTENCY, rel=1e-5)


def test_weight_zero_is_supervised_training():
    assert outcome(model_of("MeanTeacher", unlabeled_weight=0.0), LOGITS)[0] == pytest.approx(supervised(), rel=1e-6)


def test_the_teacher_is_an_average_of_the_weights_after_each_step():
    model = model_of("MeanTeacher", momentum=0.75)
    model.compile(keras.optimizers.SGD(0.1))
    images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3)).astype("uint8")
    expected = [array(w) for w in model.classifier.weights]
    for _ in range(3):
        model.fit(images, LABELS, batch_size=8, epochs=1, verbose=0)
        expected = [0.75 * mine + 0.25 * array(w) for mine, w in zip(expected, model.classifier.weights, strict=True)]
    for mine, found in zip(expected, model.teacher.modules[1].weights, strict=True):
        np.testing.assert_allclose(array(found), mine, rtol=1e-5, atol=1e-7)
    assert tuple(model.teacher_logits(images).shape) == (8, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"momentum": 1.5}, "momentum=1.5"), ({"warmup_steps": 0.5}, "warmup_steps=0.5")],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        keras_ssl.MeanTeacher(tiny_encoder(), classes=3, **options)
