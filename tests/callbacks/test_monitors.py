"""Callbacks that log what `keras_ssl.evaluation` measures of a network in training."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl import evaluation
from keras_ssl.callbacks import LazinessMonitor, PlasticityMonitor, SharpnessMonitor, SubsetConflict

RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 3)).astype("float32")
Y = (X[:, :1] * X[:, 1:2] > 0).astype("float32") * 2 - 1


def network(rate=0.1):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


def fit(callback, model=None, epochs=3):
    model = model or network()
    return model, model.fit(X, Y, epochs=epochs, verbose=0, callbacks=[callback]).history


def test_laziness_is_the_turn_of_the_kernel_since_the_first_fit():
    model, watch = network(), LazinessMonitor(X[:6], Y[:6, 0])
    start = evaluation.tangent_kernel(model, X[:6])
    for _ in range(2):
        _, logs = fit(watch, model)
        now = evaluation.tangent_kernel(model, X[:6])
        cosine = np.sum(start * now) / np.sqrt(np.sum(start**2) * np.sum(now**2))
        assert logs["kernel_change"][-1] == pytest.approx(1 - cosine, abs=1e-6)
        expected = evaluation.kernel_target_alignment(now, Y[:6, 0])
        assert logs["kernel_alignment"][-1] == pytest.approx(expected, abs=1e-6)
    assert logs["kernel_change"][-1] > 1e-4


def test_a_linear_model_and_one_that_stands_still_are_lazy():
    linear = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(1)])
    linear.compile(keras.optimizers.SGD(0.1), "mse")
    for model in (linear, network(0.0)):
        _, logs = fit(LazinessMonitor(X[:6], every=2), model, 4)
        np.testing.assert_allclose(logs["kernel_change"], 0.0, atol=1e-6)
        assert len(logs["kernel_change"]) == 2 and "kernel_alignment" not in logs


def test_lazy_training_turns_the_kernel_less():
    changes = []
    for alpha in (100.0, 0.5):
        model = keras_ssl.layers.OutputScaling(network(), alpha)
        model.compile(keras.optimizers.SGD(0.05), "mse")
        _, logs = fit(LazinessMonitor(X[:6], network=model.network), model, 10)
        changes.append(logs["kernel_change"][-1])
    assert changes[0] < 0.1 * changes[1]


def test_plasticity_counts_units_that_fire():
    model = network(0.0)
    layer = model.layers[0]
    layer.set_weights([layer.get_weights()[0], np.array([-1e3] * 4 + [1e3] * 4)])
    _, logs = fit(PlasticityMonitor(X, every=2), model, 4)
    assert logs["active_units"] == [0.5, 0.5]
    assert fit(PlasticityMonitor(X, threshold=1e6), model)[1]["active_units"] == [0.0] * 3


def test_sharpness_is_the_trace_on_the_batch():
    model, logs = fit(SharpnessMonitor((X, Y), samples=3, every=3, seed=5))
    expected = evaluation.hessian_trace(model, "mse", (X, Y), samples=3, seed=5)
    assert logs["hessian_trace"] == [pytest.approx(expected, rel=1e-5)]


def test_sharpness_of_an_objective_is_that_of_its_pretraining_loss():
    encoder = keras_ssl.encoders.ConvNet(widths=(4,), input_shape=(8, 8, 3))
    model = keras_ssl.SimCLR(encoder, projector=(4,))
    model.compile(keras.optimizers.SGD(0.1))
    images = RNG.integers(0, 255, (8, 8, 8, 3)).astype("uint8")
    watch = SharpnessMonitor(images, samples=2)
    logs = model.fit(images, batch_size=8, verbose=0, callbacks=[watch]).history
    expected = evaluation.hessian_trace(model, data=images, samples=2)
    assert logs["hessian_trace"][0] == pytest.approx(expected, rel=1e-3)


def test_conflict_of_subsets_is_that_of_their_gradients():
    parts = {"one": (X[:8], Y[:8]), "other": (X[8:16], Y[8:16]), "against": (X[:8], -Y[:8])}
    watch = SubsetConflict(parts, every=2)
    model, logs = fit(watch, epochs=4)
    assert watch.names == ("one", "other", "against") and sorted(watch.matrices) == [1, 3]
    expected = evaluation.subset_conflict(model, "mse", list(parts.values()))
    np.testing.assert_allclose(watch.matrices[3], expected, atol=1e-6)
    pairs = [expected[0, 1], expected[0, 2], expected[1, 2]]
    assert logs["subset_agreement"][-1] == pytest.approx(np.mean(pairs), abs=1e-6)
    assert logs["subset_conflicts"][-1] == pytest.approx(np.mean([pair < 0 for pair in pairs]))
    assert np.all(np.diag(watch.matrices[1]) > 0.99)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LazinessMonitor(X, every=0), "Received: every=0"),
        (lambda: fit(LazinessMonitor(X[:4], Y[:3])), "Received: targets.shape"),
        (lambda: PlasticityMonitor(X, every=0), "Received: every=0"),
        (lambda: PlasticityMonitor(X, threshold=np.nan), "Received: threshold=nan"),
        (lambda: PlasticityMonitor(X, threshold=-1), "Received: threshold=-1"),
        (lambda: SharpnessMonitor((X, Y), samples=0), "Received: samples=0"),
        (lambda: SharpnessMonitor((X, Y), every=0), "Received: every=0"),
        (lambda: SharpnessMonitor((X, Y), seed=-1), "Received: seed=-1"),
        (lambda: SubsetConflict({"one": (X, Y)}), "Received: subsets="),
        (lambda: SubsetConflict([(X, Y), (X, Y)]), "Received: subsets="),
        (lambda: SubsetConflict({"a": (X, Y), "b": (X, Y)}, every=0), "Received: every=0"),
    ],
)
def test_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()
