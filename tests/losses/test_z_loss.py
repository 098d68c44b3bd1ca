import json

import keras
import numpy as np
import pytest

from keras_ssl.losses import ZLoss, z_loss

LOGITS = np.random.default_rng(0).normal(0.0, 3.0, size=(4, 5))
LABELS = np.array([0, 4, 2, 2])


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x)).astype("float64")


def test_values_row_by_row():
    expected = [1e-4 * np.log(sum(np.exp(v) for v in row)) ** 2 for row in LOGITS]
    np.testing.assert_allclose(numbers(z_loss(LOGITS)), expected, rtol=1e-5)
    np.testing.assert_allclose(numbers(z_loss(LOGITS.reshape(2, 2, 5))), np.reshape(expected, (2, 2)), rtol=1e-5)


def test_zero_exactly_where_logits_are_log_probabilities():
    log_probabilities = LOGITS - np.log(np.exp(LOGITS).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(numbers(z_loss(log_probabilities, 1.0)), 0.0, atol=1e-10)
    assert (numbers(z_loss(log_probabilities + 0.1, 1.0)) > 0.009).all()


def test_gradient_in_closed_form(value_and_gradients):
    _, [gradient] = value_and_gradients(lambda x: keras.ops.sum(z_loss(x, 1.0)), LOGITS)
    z = np.exp(LOGITS).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(gradient, 2 * np.log(z) * np.exp(LOGITS) / z, rtol=1e-4, atol=1e-6)


def test_a_shift_changes_it_and_not_the_cross_entropy():
    plain, shifted = (ZLoss(weight=0.0)(LABELS, LOGITS + shift) for shift in (0.0, 7.0))
    assert float(plain) == pytest.approx(float(shifted), rel=1e-5)
    z = np.log(np.exp(LOGITS).sum(axis=1))
    difference = float(ZLoss(weight=0.1)(LABELS, LOGITS + 7.0)) - float(ZLoss(weight=0.1)(LABELS, LOGITS))
    assert difference == pytest.approx(0.1 * np.mean((z + 7) ** 2 - z**2), rel=1e-4)


def test_large_logits_and_half_precision():
    assert np.isfinite(numbers(z_loss(np.array([[1e4, -1e4]])))).all()
    assert numbers(z_loss(np.float16([[300.0, 0.0]]), 1.0))[0] == pytest.approx(90000.0)  # above float16's range


def test_as_a_loss():
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    expected = float(cross_entropy(LABELS, LOGITS)) + numbers(z_loss(LOGITS, 0.5)).mean()
    assert float(ZLoss(weight=0.5)(LABELS, LOGITS)) == pytest.approx(expected, rel=1e-5)
    alone = ZLoss(None, 0.5, reduction="sum")
    assert float(alone(LABELS, LOGITS)) == pytest.approx(numbers(z_loss(LOGITS, 0.5)).sum(), rel=1e-5)
    weights = np.array([1.0, 0.0, 0.0, 0.0])
    one = float(ZLoss(weight=0.5)(LABELS[:1], LOGITS[:1]))
    assert float(ZLoss(weight=0.5, reduction="sum")(LABELS, LOGITS, sample_weight=weights)) == pytest.approx(
        one, rel=1e-5
    )
    named = ZLoss("mse", 1.0)
    expected = ((LOGITS - 1) ** 2).mean(axis=1) + numbers(z_loss(LOGITS, 1.0))
    assert float(named(np.ones((4, 5)), LOGITS)) == pytest.approx(expected.mean(), rel=1e-5)


@pytest.mark.parametrize("loss", [ZLoss(weight=0.3, name="mine"), ZLoss(None), ZLoss("mse")])
def test_config_round_trip(loss):
    made = json.loads(json.dumps(keras.saving.serialize_keras_object(loss)))
    again = keras.saving.deserialize_keras_object(made)
    y = np.ones((4, 5)) if loss.loss is not None and "mean_squared" in str(loss.loss) else LABELS
    assert type(again) is ZLoss and again.name == loss.name
    assert float(again(y, LOGITS)) == float(loss(y, LOGITS))


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), None, True])
def test_rejects(weight):
    for call in (lambda: z_loss(LOGITS, weight), lambda: ZLoss(weight=weight)):
        with pytest.raises(ValueError, match=f"`weight`.*Received: weight={weight}"):
            call()
    with pytest.raises(ValueError, match="`logits`.*Received: logits.shape="):
        z_loss(np.float32(1.0))


@pytest.mark.parametrize(
    "loss",
    [
        "categorical_crossentropy",
        keras.losses.sparse_categorical_crossentropy,
        keras.losses.BinaryCrossentropy(),
    ],
)
def test_a_cross_entropy_of_probabilities_is_refused(loss):
    with pytest.raises(ValueError, match=r"`loss` must take logits: .* Received: loss="):
        ZLoss(loss)


def test_a_cross_entropy_of_logits_is_taken():
    expected = float(keras.losses.CategoricalCrossentropy(from_logits=True)(np.eye(5)[LABELS], LOGITS))
    loss = ZLoss(keras.losses.CategoricalCrossentropy(from_logits=True), weight=0.0)
    assert float(loss(np.eye(5)[LABELS], LOGITS)) == pytest.approx(expected, rel=1e-5)
