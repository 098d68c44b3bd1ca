"""Contrastive distillation with weights by disagreement: limits, weights, where gradients go."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import losses
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws, value

IMAGES = np.random.RandomState(0).randint(0, 256, (8, 16, 16, 3)).astype("uint8")
NAMES = ("student1", "student2", "teacher1", "teacher2")
Z = {name: draws(6, 4 + 2 * (k > 1), seed=k) for k, name in enumerate(NAMES)}
LATE = {"updates": 80, "total_updates": 100}


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x), "float64")


def each():
    s1, s2, t1, t2 = Z.values()
    there = numbers(losses.cross_similarity_loss(s1, s2, t1, t2, 0.5))
    return 0.5 * (there + numbers(losses.cross_similarity_loss(s2, s1, t2, t1, 0.5)))


def test_weights_sum_to_one_grow_with_disagreement_and_have_no_gradient():
    d = np.array([0.1, 0.5, 0.2, 2.0], "float32")
    weights = numbers(losses.disagreement_weights(d, 1.5))
    scaled = np.exp(1.5 * d / d.mean())
    np.testing.assert_allclose(weights, scaled / scaled.sum(), rtol=1e-5)
    assert weights.sum() == pytest.approx(1.0, rel=1e-6)
    assert (np.argsort(weights) == np.argsort(d)).all()
    np.testing.assert_allclose(numbers(losses.disagreement_weights(d, 0.0)), 0.25, rtol=1e-6)
    np.testing.assert_allclose(numbers(losses.disagreement_weights(np.zeros(4, "float32"))), 0.25, rtol=1e-6)
    _, (gradient,) = differentiate(lambda x: keras.ops.sum(losses.disagreement_weights(x) * np.arange(4.0)), d)
    assert not np.any(gradient)


def test_at_the_start_or_without_strength_it_is_contrastive_distillation():
    d = each()
    for options, step in (({}, Step.at(6)), ({"strength": 0.0}, Step.at(6, **LATE))):
        loss, logs = tiny_model("DynamicContrastiveDistillation", **options).objective(Z, step)
        assert value(loss) == pytest.approx(d.mean(), rel=1e-4)
        assert value(logs["hardest"]) == pytest.approx(1.0, rel=1e-5)


def test_later_hard_samples_count_more():
    d, model = each(), tiny_model("DynamicContrastiveDistillation", strength=2.0)
    loss, logs = model.objective(Z, Step.at(6, **LATE))
    weights = np.exp(2.0 * 0.8 * d / d.mean())
    weights /= weights.sum()
    assert value(loss) == pytest.approx((weights * d).sum(), rel=1e-4)
    assert value(loss) > d.mean() and value(logs["hardest"]) == pytest.approx(6 * weights.max(), rel=1e-4)


def test_a_student_that_is_its_teacher_has_no_gradient():
    model = tiny_model("DynamicContrastiveDistillation")

    def loss(s1, s2, t1, t2):
        return model.objective(dict(zip(NAMES, (s1, s2, t1, t2), strict=True)), Step.at(6, **LATE))[0]

    t1, t2 = Z["teacher1"], Z["teacher2"]
    found, gradients = differentiate(loss, t1, t2, t1, t2, dtype="float32")
    assert found == pytest.approx(0.0, abs=1e-5)
    for gradient in gradients:
        np.testing.assert_allclose(gradient, 0.0, atol=1e-5)
    _, gradients = differentiate(loss, *Z.values(), dtype="float32")
    assert [bool(np.any(gradient)) for gradient in gradients] == [True, True, False, False]


def test_it_learns_from_a_teacher_in_memory():
    model = tiny_model("DynamicContrastiveDistillation", teacher=tiny_encoder())
    model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    history = model.fit(IMAGES, batch_size=8, epochs=8, verbose=0).history["divergence"]
    assert history[-1] < history[0]
    with pytest.raises(ValueError, match="cannot be saved"):
        model.get_config()


@pytest.mark.parametrize("options", [{"strength": -1.0}, {"dimension": 0}, {"temperature": 0.0}])
def test_refuses(options):
    with pytest.raises(ValueError, match=f"Received: {next(iter(options))}="):
        tiny_model("DynamicContrastiveDistillation", **options)
    with pytest.raises(ValueError, match="no_such"):
        keras_ssl.DynamicContrastiveDistillation(tiny_encoder(), "no_such")
