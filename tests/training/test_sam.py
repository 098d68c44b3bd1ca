"""SAM and MultiTaskSAM around objectives, and SAM of any Keras model."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.optimizers import combining_rule
from keras_ssl.testing.tiny_model import tiny_model
from keras_ssl.training import SAM, Combined, MultiTaskSAM, SSLModel, sam_value_and_gradients

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8, 5)).astype("float32")


@keras.saving.register_keras_serializable(package="keras_ssl_tests")
class Ridge(SSLModel):
    """`mean over samples of ||W^T x - target||^2 / 2`: quadratic in the weights; a head of its own is optional."""

    def __init__(self, encoder, target=0.0, head=False, **kwargs):
        super().__init__(encoder, **kwargs)
        self.target, self.head = float(target), None
        if head:
            self.head = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
            self.head.build((None, self.feature_dim))

    def default_views(self):
        return lambda x, stream: x

    def embed(self, batch, step):
        z = self.encoder(batch["x"], training=step.training)
        return {"z": z if self.head is None else self.head(z)}

    def objective(self, embeddings, step):
        return 0.5 * keras.ops.mean(keras.ops.sum(keras.ops.square(embeddings["z"] - self.target), axis=1)), {}

    def get_config(self):
        return {**super().get_config(), "target": self.target, "head": self.head is not None}


def encoder(batch_norm=False):
    layers = [keras.layers.Input((5,)), keras.layers.Dense(3, use_bias=False)]
    return keras.Sequential([*layers, keras.layers.BatchNormalization()] if batch_norm else layers)


def numbers(x):
    return np.asarray(keras.ops.convert_to_numpy(x)).astype("float64")


def compiled(model, rate=0.1):
    model.compile(keras.optimizers.SGD(rate))
    return model


def stepped(model, steps=1):
    model.fit(X, batch_size=8, epochs=steps, shuffle=False, verbose=0)
    return [numbers(v) for v in model.trainable_variables]


def slope(w, target):
    return X.T.astype("float64") @ (X @ w - target) / len(X)


def unit(g):
    return g / np.linalg.norm(g)


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_steps_of_sam_in_closed_form(rho):
    model = compiled(SAM(Ridge(encoder(), 1.0), rho))
    w = numbers(model.trainable_variables[0])
    for _ in range(3):
        w = w - 0.1 * slope(w + rho * unit(slope(w, 1.0)), 1.0)
    [actual] = stepped(model, 3)
    np.testing.assert_allclose(actual, w, rtol=1e-4, atol=1e-5)


def test_rho_zero_is_the_objective_alone_bit_for_bit():
    alone, wrapped = (tiny_model("MAE") for _ in range(2))
    wrapped.set_weights(alone.get_weights())
    model = SAM(wrapped, 0.0)
    images = RNG.uniform(size=(8, 16, 16, 3)).astype("float32")
    for each in (alone, model):
        each.compile(keras.optimizers.SGD(0.1))
        each.fit(images, batch_size=4, epochs=2, verbose=0)
    for a, b in zip(alone.trainable_variables, wrapped.trainable_variables, strict=True):
        np.testing.assert_array_equal(numbers(a), numbers(b))


def test_weights_are_restored_and_moving_statistics_follow_the_first_pass():
    plain = Ridge(encoder(batch_norm=True), 1.0)
    model = compiled(SAM(plain, 5.0), rate=0.0)
    before = [numbers(v) for v in model.trainable_variables]
    statistics = plain.encoder.layers[-1]
    projected = X @ before[0]
    for a, b in zip(before, stepped(model), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(numbers(statistics.moving_mean), 0.01 * projected.mean(axis=0), atol=1e-5)


def test_the_logged_loss_is_that_at_the_weights():
    model = compiled(SAM(Ridge(encoder(), 1.0), 0.7))
    w = numbers(model.trainable_variables[0])
    logged = model.fit(X, batch_size=8, verbose=0).history["loss"][0]
    np.testing.assert_allclose(logged, 0.5 * ((X @ w - 1.0) ** 2).sum(axis=1).mean(), rtol=1e-4)


@pytest.mark.parametrize("rule", ["mgda", "pc_grad", "sum"])
def test_a_step_of_multi_task_sam_in_closed_form(rule):
    shared = encoder()
    targets, weights, rho = {"up": 1.0, "down": -2.0}, {"up": 1.0, "down": 0.5}, 0.4
    model = MultiTaskSAM({name: Ridge(shared, target) for name, target in targets.items()}, rho, rule, weights)
    w = numbers(compiled(model).trainable_variables[0])
    plain = [weights[name] * slope(w, target) for name, target in targets.items()]
    sharp = [
        weights[name] * slope(w + rho * unit(g), target)
        for (name, target), g in zip(targets.items(), plain, strict=True)
    ]
    flat = [np.stack([g.ravel() for g in gs]) for gs in (plain, [s - g for s, g in zip(sharp, plain, strict=True)])]
    joined = sum(numbers(combining_rule(rule)(part)) for part in flat).reshape(w.shape)
    history = model.fit(X, batch_size=8, verbose=0).history
    np.testing.assert_allclose(numbers(model.trainable_variables[0]), w - 0.1 * joined, rtol=1e-3, atol=1e-4)
    losses = {name: 0.5 * ((X @ w - t) ** 2).sum(axis=1).mean() for name, t in targets.items()}
    np.testing.assert_allclose(history["loss"][0], sum(weights[n] * v for n, v in losses.items()), rtol=1e-4)
    np.testing.assert_allclose(history["down_loss"][0], losses["down"], rtol=1e-4)


def test_heads_get_their_own_sharp_gradients_and_one_task_is_sam():
    first = SAM(Ridge(encoder(), 1.0, head=True), 0.3)
    second = MultiTaskSAM({"only": Ridge(encoder(), 1.0, head=True)}, 0.3)
    second.set_weights(first.get_weights())
    for a, b in zip(stepped(compiled(first), 2), stepped(compiled(second), 2), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_the_sum_without_perturbation_is_combined_training():
    models = []
    for kind in (Combined, lambda members: MultiTaskSAM(members, 0.0, "sum")):
        shared = encoder()
        if models:
            shared.set_weights(models[0].encoder.get_weights())
        models.append(compiled(kind({"a": Ridge(shared, 1.0, head=True), "b": Ridge(shared, -1.0)})))
    results = [stepped(model, 2) for model in models]
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_state_of_the_objectives_moves_as_in_combined():
    moco = keras_ssl.MoCo(encoder(), projector=(8,), queue_size=16, views=lambda x, stream: [x, 0.9 * x])
    model = SAM({"moco": moco}, 0.05)
    compiled(model)
    images = RNG.uniform(size=(8, 5)).astype("float32")
    before = [numbers(v) for v in model.non_trainable_variables]
    model.fit(images, batch_size=8, verbose=0)
    assert any((a != numbers(b)).any() for a, b in zip(before, model.non_trainable_variables, strict=True))
    both = MultiTaskSAM({"moco": model.members["moco"]}, 0.05)
    compiled(both).fit(images, batch_size=8, verbose=0)


@pytest.mark.parametrize(
    "make",
    [lambda e: SAM(Ridge(e, 1.0), 0.2), lambda e: MultiTaskSAM({"a": Ridge(e), "b": Ridge(e, 2.0)}, 0.2, "ca_grad")],
)
def test_config_round_trip(make, tmp_path):
    model = compiled(make(encoder()))
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again) is type(model) and again.rho == 0.2
    np.testing.assert_allclose(again.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-6)
    for a, b in zip(stepped(again), stepped(model), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


class Own(Ridge):
    def gradients(self, batch, step):
        return self.loss_and_gradients(batch, step)


def test_rejects():
    for kind in (SAM, MultiTaskSAM):
        for rho in (-1.0, float("nan"), float("inf")):
            with pytest.raises(ValueError, match="`rho`.*Received: rho="):
                kind({"a": Ridge(encoder())}, rho)
        with pytest.raises(ValueError, match="`objectives` must train by.*Received: objectives="):
            kind({"a": Own(encoder())})
    with pytest.raises(ValueError, match="Received: rule=best"):
        MultiTaskSAM({"a": Ridge(encoder())}, rule="best")
    with pytest.raises(ValueError, match="Only a `rule` by name can be saved"):
        MultiTaskSAM({"a": Ridge(encoder())}, rule=lambda g: g[0]).get_config()


def test_sam_of_any_keras_model():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(3, use_bias=False)])
    model.compile(keras.optimizers.SGD(0.1), loss="mse")
    y = np.ones((8, 3), "float32")
    w, rho = numbers(model.trainable_variables[0]), 0.4

    def function():
        return model.compute_loss(x=X, y=y, y_pred=model(X, training=True))

    value, gradients = sam_value_and_gradients(function, model, rho)
    g = slope(w, 1.0) * 2 / 3
    np.testing.assert_allclose(float(value), ((X @ w - 1) ** 2).mean(), rtol=1e-4)
    expected = slope(w + rho * unit(g), 1.0) * 2 / 3
    np.testing.assert_allclose(numbers(gradients[0]), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(numbers(model.trainable_variables[0]), w)
    model.optimizer.apply(gradients, model.trainable_variables)
    np.testing.assert_allclose(numbers(model.trainable_variables[0]), w - 0.1 * expected, rtol=1e-4, atol=1e-5)


TWO_REPLICAS = """
import numpy as np, keras
from keras_ssl.testing.tiny_model import tiny_model
from keras_ssl.training import SAM, MultiTaskSAM
from tests.training.test_sam import Ridge

x = np.random.default_rng(0).normal(size=(8, 5)).astype("float32")


def weights(strategy, make):
    with strategy.scope():
        dense = keras.layers.Dense(3, use_bias=False, kernel_initializer="identity")
        model = make(keras.Sequential([keras.layers.Input((5,)), dense]))
        model.compile(keras.optimizers.SGD(0.1))
    model.fit(x, batch_size=8, epochs=3, shuffle=False, verbose=0)
    return model.get_weights()


def multi(encoder):
    return MultiTaskSAM({"a": Ridge(encoder, 1.0), "b": Ridge(encoder, -2.0, head=True)}, 0.3, "pc_grad")


for make in (lambda encoder: SAM(Ridge(encoder, 1.0), 0.3), multi):
    one, two = weights(tf.distribute.get_strategy(), make), weights(mirrored, make)
    for a, b in zip(one, two):
        np.testing.assert_allclose(a, b, atol=2e-5)
"""


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's")
def test_two_replicas_equal_one(two_replicas):
    assert two_replicas(TWO_REPLICAS) is None
