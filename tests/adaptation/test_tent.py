"""Tent against plain NumPy and Keras, and what an adapter promises: snapshot, restore, a batch of one, bad input."""

import keras
import numpy as np
import pytest

from keras_ssl.adaptation import Tent
from keras_ssl.evaluation import extract_features
from keras_ssl.losses.entropy_loss import entropy_loss

X = np.random.RandomState(0).normal(size=(16, 5)).astype("float32")


def classifier():
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(6), keras.layers.BatchNormalization(epsilon=1e-3), keras.layers.ReLU()]
    return keras.Sequential([keras.layers.Input((5,)), *layers, keras.layers.Dense(3)])


def entropy(logits):
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return -(p * np.log(p)).sum(axis=1)


def slow_loss(weights, x, gamma, beta):
    """The mean entropy of the classifier by its weights, with statistics of the batch, in float64."""
    kernel, bias, *_ = (weight.astype("float64") for weight in weights[:2])
    last, offset = (weight.astype("float64") for weight in weights[-2:])
    h = x.astype("float64") @ kernel + bias
    h = gamma * (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-3) + beta
    logits = np.maximum(h, 0.0) @ last + offset
    return entropy(logits).mean(), logits


def test_one_step_of_sgd_equals_finite_differences():
    model = classifier()
    weights = [weight.copy() for weight in model.get_weights()]
    gamma, beta = weights[2].astype("float64"), weights[3].astype("float64")
    adapter = Tent(model, keras.optimizers.SGD(0.5))
    logits = adapter.step(X)
    np.testing.assert_allclose(logits, slow_loss(weights, X, gamma, beta)[1], atol=1e-4)
    for number, start in ((2, gamma), (3, beta)):
        slopes = np.zeros_like(start)
        for k in range(len(start)):
            moved = [start.copy(), start.copy()]
            moved[0][k] += 1e-5
            moved[1][k] -= 1e-5
            parts = [(m, beta) if number == 2 else (gamma, m) for m in moved]
            high, low = (slow_loss(weights, X, *part)[0] for part in parts)
            slopes[k] = (high - low) / 2e-5
        np.testing.assert_allclose(model.get_weights()[number], start - 0.5 * slopes, atol=1e-4)


def test_the_usual_optimizer_is_the_paper_s():
    adapter = Tent(classifier())
    assert isinstance(adapter.optimizer, keras.optimizers.Adam) and adapter.steps == 1
    assert float(adapter.optimizer.learning_rate) == pytest.approx(0.001)


def test_entropy_falls_and_nothing_but_scales_and_shifts_changes():
    model = classifier()
    before = [weight.copy() for weight in model.get_weights()]
    adapter = Tent(model, keras.optimizers.Adam(0.05))
    values = [entropy(adapter.step(X)).mean() for _ in range(6)]
    assert all(late < early for early, late in zip(values, values[1:], strict=False))
    changed = [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert changed == [False, False, True, True, False, False, False, False]


def test_restore_brings_back_weights_and_optimizer_to_the_bit():
    model = classifier()
    adapter = Tent(model, keras.optimizers.Adam(0.05))
    start = [weight.copy() for weight in model.get_weights()]
    first = [adapter.step(X) for _ in range(3)]
    adapter.restore()
    assert all(np.array_equal(a, b) for a, b in zip(start, model.get_weights(), strict=True))
    again = [adapter.step(X) for _ in range(3)]
    np.testing.assert_array_equal(first, again)
    adapter.snapshot()
    kept = [weight.copy() for weight in model.get_weights()]
    adapter.step(X)
    adapter.restore()
    assert all(np.array_equal(a, b) for a, b in zip(kept, model.get_weights(), strict=True))


def test_rate_zero_predicts_with_statistics_of_the_batch():
    """Limit: without steps Tent is batch statistics alone."""
    model = classifier()
    adapter = Tent(model, keras.optimizers.SGD(0.0))
    expected = np.asarray(keras.ops.convert_to_numpy(classifier()(X, training=True)))
    for _ in range(2):
        np.testing.assert_allclose(adapter.step(X), expected, atol=1e-5)


def test_a_batch_of_one_and_of_another_size():
    adapter = Tent(classifier())
    assert adapter.step(X[:1]).shape == (1, 3) and adapter.step(X[:7]).shape == (7, 3)
    assert all(np.isfinite(weight).all() for weight in adapter.model.get_weights())


def test_a_batch_with_nan_is_refused_and_changes_nothing():
    model = classifier()
    adapter = Tent(model, keras.optimizers.Adam(0.05))
    adapter.step(X)
    before = [np.array(weight) for weight in (*model.get_weights(), *map(np.asarray, adapter.optimizer.variables))]
    with pytest.raises(ValueError, match="must be finite. Received: loss=nan"):
        adapter.step(np.full_like(X, np.nan))
    after = [np.array(weight) for weight in (*model.get_weights(), *map(np.asarray, adapter.optimizer.variables))]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_entropy_of_even_and_certain_predictions():
    logits = np.array([[0.0, 0, 0, 0], [100.0, 0, 0, 0]], "float32")
    np.testing.assert_allclose(np.asarray(entropy_loss(logits)), [np.log(4), 0.0], atol=1e-5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Tent(keras.Sequential([keras.layers.Input((5,)), keras.layers.Dense(3)])), "nothing to adapt"),
        (lambda: Tent(classifier(), steps=0), "steps=0"),
        (lambda: Tent(keras.layers.Dense(3)), "must be a built keras.Model"),
        (lambda: Tent(classifier()).step(X[:0]), r"at least one sample. Received: x.shape=\(0, 5\)"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_floats_that_keras_would_cast_and_single_samples_are_refused():
    """Images in [0, 1] would be black for a model that begins with an Input of uint8, and it would adapt to that."""
    layers = [keras.layers.Input((4, 4, 3), dtype="uint8"), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    model = keras.Sequential([*layers, keras.layers.BatchNormalization(), keras.layers.Dense(3)])
    adapter, images = Tent(model), np.random.RandomState(0).randint(0, 256, (6, 4, 4, 3), "uint8")
    before = model.get_weights()
    for floats in (images / 255.0, images.astype("float32")):
        with pytest.raises(ValueError, match=r"`x` must be uint8.*Received: x.dtype=float"):
            adapter.step(floats)
        with pytest.raises(ValueError, match=r"`images` must be uint8.*Received: images.dtype=float"):
            extract_features(model, floats)
    with pytest.raises(ValueError, match="`x` must be a batch, of 4 dimensions"):
        adapter.step(images[0])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert adapter.step(images).shape == extract_features(model, images).shape == (6, 3)
