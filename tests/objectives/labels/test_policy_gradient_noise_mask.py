"""What the policy gradient noise mask computes: two losses kept apart, masks in training only, no policy left over."""

import keras
import numpy as np
import pytest
from scipy.stats import beta as scipy_beta

import keras_ssl
from keras_ssl.objectives.labels.policy_gradient_noise_mask import default_policy
from keras_ssl.testing.tiny_model import tiny_encoder, tiny_model
from keras_ssl.training import Step, engine
from keras_ssl.training.labelled_model import label_losses
from tests.losses.conftest import _value_and_gradients as differentiate
from tests.objectives.reference import draws, value

LABELS = np.array([1, -1, 0, 2, 1, -1], "int32")
X = np.random.RandomState(0).randint(0, 256, size=(8, 16, 16, 3)).astype("uint8")
NAME = "PolicyGradientNoiseMask"


def embeddings(**more):
    z = {"features": draws(6, 4), "logits": draws(6, 3), "y": LABELS, "cells": np.full((6, 4), 0.3, "float32"), **more}
    return {k: keras.ops.convert_to_tensor(v) for k, v in z.items()}


def slow(logits, log_density, policy_weight):
    """Sample by sample, in float64."""
    kept = [k for k in range(6) if LABELS[k] >= 0]
    costs = {}
    for k in kept:
        p = np.exp(logits[k].astype("float64"))
        costs[k] = -np.log(p[LABELS[k]] / p.sum())
    policy = np.mean([(costs[k] - np.mean([costs[j] for j in kept if j != k])) * log_density[k] for k in kept])
    return np.mean(list(costs.values())) + policy_weight * policy


@pytest.mark.parametrize("policy_weight", [1.0, 0.3])
def test_equals_the_reference(policy_weight):
    model = tiny_model(NAME, classes=3, policy_weight=policy_weight)
    density = draws(6, seed=3)
    found = engine.reduce(model, embeddings(log_density=density), Step.at(6))
    assert value(found.loss) == pytest.approx(slow(draws(6, 3), density, policy_weight), rel=1e-5)
    assert value(found.logs["mask"]) == pytest.approx(0.3)
    accuracy = np.mean([draws(6, 3)[k].argmax() == LABELS[k] for k in (0, 2, 3, 4)])
    assert value(found.logs["accuracy"]) == pytest.approx(accuracy)


def test_the_two_losses_share_no_gradient():
    """The classifier's logits get that of cross-entropy alone, the densities get centered costs alone."""
    model = tiny_model(NAME, classes=3)

    def loss(logits, density):
        return model.objective(embeddings(logits=logits, log_density=density), Step.at(6))[0]

    _, (by_logits, by_density) = differentiate(loss, draws(6, 3), draws(6, seed=3), dtype="float32")

    def entropy(logits):
        return keras.ops.sum(label_losses(logits, LABELS)[0]) / 4.0

    _, (plain,) = differentiate(entropy, draws(6, 3), dtype="float32")
    np.testing.assert_allclose(by_logits, plain, atol=1e-6)
    costs = np.asarray(label_losses(draws(6, 3), LABELS)[0], "float64")
    kept = LABELS >= 0
    expected = np.where(kept, (costs - (costs[kept].sum() - costs) / 3) / 4, 0.0)
    np.testing.assert_allclose(by_density, expected, atol=1e-6)


def test_draws_have_the_density_that_is_reported_and_no_gradient():
    model = tiny_model(NAME, decay=0.25)
    model.base.update(keras.ops.ones((1, 8)) * 2.0)
    proposed = draws(5, 8)
    cells, density = model.draw(keras.ops.convert_to_tensor(proposed), Step.at(5))
    logs = 0.25 * np.asarray(model.base.center) + 0.75 * proposed
    expected = scipy_beta.logpdf(np.asarray(cells), np.exp(logs[:, :4]), np.exp(logs[:, 4:])).sum(axis=1)
    np.testing.assert_allclose(np.asarray(density), expected, rtol=1e-3, atol=1e-3)
    _, (gradient,) = differentiate(lambda p: keras.ops.sum(model.draw(p, Step.at(5))[0]), proposed, dtype="float32")
    np.testing.assert_array_equal(gradient, 0.0)


def test_extreme_proposals_stay_finite():
    model = tiny_model(NAME)
    value, (gradient,) = differentiate(
        lambda p: keras.ops.sum(model.draw(p, Step.at(2))[1]), np.array([[1e4] * 8, [-1e4] * 8]), dtype="float32"
    )
    assert np.isfinite(value) and np.isfinite(gradient).all()


def batch(model):
    return {"x": keras.ops.convert_to_tensor(X), "y": keras.ops.convert_to_tensor(np.arange(8, dtype="int32") % 4)}


def test_masks_are_drawn_in_training_only():
    model = tiny_model(NAME)
    trained, tested = (model.embed(batch(model), Step.at(8, training=t)) for t in (True, False))
    assert {"log_density", "cells"} <= set(trained) and not {"log_density", "cells"} & set(tested)
    cells = np.asarray(trained["cells"])
    assert cells.min() > 0 and cells.max() < 1 and cells.std() > 0.1
    np.testing.assert_allclose(model.predict(X, verbose=0), np.asarray(model(X)), atol=1e-5)


def test_a_given_policy_with_batch_norm_proposes_by_the_statistics_of_its_batch():
    layers = keras.layers
    norm = layers.BatchNormalization(center=False, scale=False)
    policy = keras.Sequential([keras.Input((None, None, 3)), layers.GlobalAveragePooling2D(), layers.Dense(8), norm])
    model = tiny_model(NAME, policy=policy)
    proposed = np.asarray(model.embed(batch(model), Step.at(8))["proposed"])
    np.testing.assert_allclose(proposed.mean(axis=0), 0.0, atol=1e-4)
    assert np.abs(proposed).max() > 0.1


def test_amplitude_0_is_plain_training():
    """From the same weights, step by step: RankMixup without its ranking, which is cross-entropy."""
    ours, plain = tiny_model(NAME, amplitude=0.0), tiny_model("RankMixup", weight=0.0)
    assert ours.policy is None and [w.shape for w in ours.weights] == [w.shape for w in plain.weights]
    plain.set_weights(ours.get_weights())
    losses = []
    for model in (ours, plain):
        model.compile(keras.optimizers.SGD(0.1))
        history = model.fit(X, np.arange(8) % 4, batch_size=4, epochs=2, verbose=0).history
        losses.append(history["loss"])
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-5)
    assert losses[0][0] != losses[0][1]


def test_the_running_mean_follows_the_policy():
    model = tiny_model(NAME, base_momentum=0.5)
    model.compile(keras.optimizers.SGD(0.0))
    proposed = np.asarray(model.embed(batch(model), Step.at(8))["proposed"])
    model.after_step({"proposed": keras.ops.convert_to_tensor(proposed)}, keras.ops.convert_to_tensor(True), Step.at(8))
    np.testing.assert_allclose(np.asarray(model.base.center), 0.5 * proposed.mean(axis=0), atol=1e-6)


def test_the_policy_learns_to_leave_open_what_the_classifier_needs():
    """Of a classifier that reads the upper left cell alone: its darkness costs, and the policy makes it bright."""
    keras.utils.set_random_seed(0)
    random = np.random.RandomState(0)
    labels = random.randint(0, 2, size=256)
    images = np.full((256, 8, 8, 1), 0.5, "float32")
    images[:, :4, :4] = np.where(labels, 1.0, 0.0)[:, None, None, None]
    inputs = keras.Input((8, 8, 1))
    encoder = keras.Model(inputs, keras.layers.Flatten()(keras.layers.AveragePooling2D(4)(inputs)))
    view = keras_ssl.views.MultiView([keras_ssl.views.RandomFlip(0.0)])
    model = keras_ssl.PolicyGradientNoiseMask(
        encoder, classes=2, grid=2, sigma=0.0, decay=0.0, views=view, preprocessing=None
    )
    model.compile(keras.optimizers.Adam(0.03))
    model.fit(images, labels, batch_size=64, epochs=40, verbose=0)
    proposed = model.policy(keras.ops.convert_to_tensor(images))
    alpha, beta = np.exp(np.clip(np.split(np.asarray(proposed), 2, axis=1), -4, 4))
    mean = (alpha / (alpha + beta)).mean(axis=0)
    assert mean[0] > 0.7 and mean[0] > mean[1:].max() + 0.1, mean


def test_the_encoder_has_no_part_of_the_policy(tmp_path):
    model = tiny_model(NAME)
    encoder = {id(weight) for weight in model.encoder.weights}
    assert model.policy.weights and not encoder & {id(weight) for weight in model.policy.weights}
    model.encoder.save(tmp_path / "encoder.keras")
    again = keras.saving.load_model(tmp_path / "encoder.keras")
    assert [w.shape for w in again.weights] == [w.shape for w in model.encoder.weights]


def test_a_policy_of_ones_own_is_saved():
    model = tiny_model(NAME, policy=default_policy(3, 8))
    again = type(model).from_config(model.get_config())
    assert again.get_config() == model.get_config()
    assert not again.own_policy and [w.shape for w in again.policy.weights] == [w.shape for w in model.policy.weights]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"grid": 0}, "grid=0"),
        ({"sigma": -1.0}, "sigma=-1"),
        ({"amplitude": 2.0}, "amplitude=2"),
        ({"decay": 1.0}, "decay=1"),
        ({"decay": float("nan")}, "decay=nan"),
        ({"base_momentum": 1.5}, "base_momentum=1.5"),
        ({"policy_weight": 0.0}, "policy_weight=0"),
        ({"policy_weight": float("inf")}, "policy_weight=inf"),
        ({"policy": default_policy(3, 7)}, "policy with output shape"),
    ],
)
def test_refuses(options, message):
    with pytest.raises(ValueError, match=f"Received: {message}"):
        keras_ssl.PolicyGradientNoiseMask(tiny_encoder(), **{"classes": 3, **options})


def test_refuses_encoders_that_are_not_for_images():
    inputs = keras.Input((5,))
    encoder = keras.Model(inputs, keras.layers.Dense(4)(inputs))
    with pytest.raises(ValueError, match=r"Received: encoder with input shape \(None, 5\)"):
        keras_ssl.PolicyGradientNoiseMask(encoder, classes=3, views=lambda x, stream: [x])
