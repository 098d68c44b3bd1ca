"""FerKD: targets of teacher or label by confidence, mixing within an image, limits."""

import keras
import numpy as np
import pytest

from keras_ssl import losses
from keras_ssl.objectives.distillation.self_mix import draw_boxes, self_mix
from keras_ssl.testing.tiny_model import tiny_model
from keras_ssl.training import Step, engine
from tests.objectives.reference import draws, value

IMAGES = np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")
S, T, U = draws(6, 4), 2 * draws(6, 4, seed=1), 2 * draws(6, 4, seed=2)
Y = np.array([0, -1, 3, 2, -1, 1], "int32")


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x), "float64")


def softmax(z):
    z = np.asarray(z, "float64")
    return np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)


def smoothed(labels, smoothing=0.1):
    one_hot = np.eye(4)[np.maximum(labels, 0)]
    return (1 - smoothing) * one_hot + smoothing / 3 * (1 - one_hot)


class TestCalibratedTargets:
    def test_equal_the_reference_and_sum_to_one(self):
        p = softmax(T)
        threshold = float(np.median(p.max(axis=1)))
        found = numbers(losses.calibrated_targets(T, Y, threshold, 0.2))
        for k in range(6):
            hard = p[k].max() < threshold and Y[k] >= 0
            np.testing.assert_allclose(found[k], smoothed(Y, 0.2)[k] if hard else p[k], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)
        np.testing.assert_allclose(numbers(losses.teacher_confidence(T)), p.max(axis=1), rtol=1e-5)

    def test_threshold_zero_is_the_teacher_and_one_label_smoothing(self):
        np.testing.assert_allclose(numbers(losses.calibrated_targets(T, Y, 0.0)), softmax(T), rtol=1e-4)
        found = numbers(losses.calibrated_targets(T, Y, 1.0, 0.1))
        np.testing.assert_allclose(found[Y >= 0], smoothed(Y)[Y >= 0], rtol=1e-5)
        assert found[0, 0] == pytest.approx(0.9, rel=1e-6)
        np.testing.assert_allclose(found[Y < 0], softmax(T)[Y < 0], rtol=1e-4)

    def test_refuses(self):
        for options in ({"threshold": 1.5}, {"smoothing": 1.0}):
            with pytest.raises(ValueError, match=f"Received: {next(iter(options))}="):
                losses.calibrated_targets(T, Y, **options)
        with pytest.raises(ValueError, match=r"Received: teacher.shape=\(6, 1\)"):
            losses.calibrated_targets(T[:, :1], Y)


class TestSelfMix:
    FIRST, SECOND = draws(5, 6, 8, 3), draws(5, 6, 8, 3, seed=1)

    def test_equals_the_reference_and_the_share_is_that_of_the_area(self):
        boxes = np.array([[0, 0, 6, 8], [0, 0, 0, 0], [1, 2, 3, 4], [5, 7, 1, 1], [2, 0, 4, 8]], "int32")
        mixed, share = self_mix(self.FIRST, self.SECOND, boxes)
        for k, (top, left, tall, wide) in enumerate(boxes):
            expected = self.FIRST[k].copy()
            expected[top : top + tall, left : left + wide] = self.SECOND[k, top : top + tall, left : left + wide]
            np.testing.assert_array_equal(numbers(mixed)[k], expected.astype("float64"))
        np.testing.assert_allclose(numbers(share), boxes[:, 2] * boxes[:, 3] / 48, rtol=1e-6)

    def test_boxes_lie_in_the_image_and_come_as_often_as_asked(self):
        stream = Step.at(2000, seed=3).stream()
        boxes = np.asarray(keras.ops.convert_to_numpy(draw_boxes(stream, 6, 8, 0.5)))
        assert (boxes >= 0).all() and (boxes[:, 0] + boxes[:, 2] <= 6).all() and (boxes[:, 1] + boxes[:, 3] <= 8).all()
        assert (boxes[:, 2] * boxes[:, 3] > 0).mean() == pytest.approx(0.5, abs=0.05)
        never = np.asarray(keras.ops.convert_to_numpy(draw_boxes(Step.at(50).stream(), 6, 8, 0.0)))
        assert not never[:, 2:].any()
        always = np.asarray(keras.ops.convert_to_numpy(draw_boxes(Step.at(2000).stream(), 60, 80, 1.0)))
        assert (always[:, 2] * always[:, 3] / 4800).mean() == pytest.approx(0.5, abs=0.03)


def outcome(model, **more):
    z = {"features": S, "logits": S, "teacher": T, "second_teacher": U, "share": np.zeros(6, "float32"), "y": Y}
    tensors = {name: keras.ops.convert_to_tensor(array) for name, array in {**z, **more}.items()}
    return engine.reduce(model, tensors, Step.at(6))


def classifier_teacher():
    return keras.Sequential([keras.layers.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(4)])


def model_of(**options):
    return tiny_model("FerKD", teacher=classifier_teacher(), **options)


def test_the_loss_is_the_cross_entropy_of_mixed_targets():
    share = np.array([0.0, 0.2, 0.5, 0.7, 1.0, 0.3], "float32")
    p, q, log_s = softmax(T), softmax(U), np.log(softmax(S))
    low, high = np.sort(p.max(axis=1))[1] - 1e-4, 0.9999
    found = outcome(model_of(threshold=0.0, drop_below=float(low), drop_above=high), share=share)
    total = weights = 0.0
    for k in range(6):
        kept = [low <= r[k].max() <= high for r in (p, q)]
        a, b = (1 - share[k]) * kept[0], share[k] * kept[1]
        if a + b > 0:
            total += (a + b) * -np.sum((a * p[k] + b * q[k]) / (a + b) * log_s[k])
            weights += a + b
    assert value(found.loss) == pytest.approx(total / weights, rel=1e-4)
    assert value(found.logs["kept"]) < 1.0


def test_threshold_zero_is_soft_labels_and_one_label_smoothing():
    log_s = np.log(softmax(S))
    soft = -(softmax(T) * log_s).sum(axis=1)
    assert value(outcome(model_of(threshold=0.0)).loss) == pytest.approx(soft.mean(), rel=1e-4)
    hard = -(smoothed(Y) * log_s).sum(axis=1)
    found = outcome(model_of(threshold=1.0))
    assert value(found.loss) == pytest.approx(np.where(Y >= 0, hard, soft).mean(), rel=1e-4)
    assert value(found.logs["calibrated"]) == pytest.approx((Y >= 0).mean())


def test_mixing_is_drawn_in_training_alone_and_can_be_left_out():
    model = model_of(mix=1.0)
    batch = {"x": keras.ops.convert_to_tensor(IMAGES), "y": keras.ops.convert_to_tensor(np.zeros(8, "int32"))}
    assert numbers(engine.embed(model, batch, Step.at(8))["share"]).max() > 0
    assert not numbers(engine.embed(model, batch, Step.at(8, training=False))["share"]).any()
    assert not numbers(engine.embed(model_of(mix=0.0), batch, Step.at(8))["share"]).any()


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": -0.1},
        {"smoothing": 1.0},
        {"drop_below": 0.9, "drop_above": 0.5},
        {"drop_above": 1.5},
        {"mix": 2.0},
    ],
)
def test_refuses(options):
    with pytest.raises(ValueError, match=f"Received: {next(iter(options))}="):
        model_of(**options)
