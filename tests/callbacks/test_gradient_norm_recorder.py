import keras
import numpy as np
import pytest

from keras_ssl.callbacks import GradientNormRecorder
from keras_ssl.schedules import LinearDecay, RefinedSchedule
from tests.callbacks.small_regression import X, Y, arrays, regression, trained
from tests.callbacks.tiny_run import tiny, vectors


def reference(order, steps, rate=0.1):
    """Gradients of the mean squared error of a linear layer, by SGD in float64."""
    kernel, bias, norms = np.zeros((3, 2)), np.zeros(2), []
    for step in range(steps):
        x, y = (part[8 * (step % 6) : 8 * (step % 6) + 8].astype("float64") for part in (X, Y))
        error = 2.0 * (x @ kernel + bias - y) / y.size
        gradients = [x.T @ error, error.sum(0)]
        entries = np.concatenate([gradient.ravel() for gradient in gradients])
        norms.append(np.abs(entries).sum() if order == 1 else np.sqrt((entries**2).sum()))
        kernel, bias = kernel - rate * gradients[0], bias - rate * gradients[1]
    return norms


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("jit_compile", [True, False])
def test_norms_equal_numpy(order, jit_compile):
    recorder = GradientNormRecorder(order)
    trained(regression(jit_compile=jit_compile), epochs=2, callbacks=[recorder])
    assert recorder.norms.dtype == np.float64
    np.testing.assert_allclose(recorder.norms, reference(order, 12), rtol=1e-5)


def test_norms_of_a_model_whose_step_was_compiled_before():
    recorder, model = GradientNormRecorder(), regression()
    trained(model)
    trained(model, callbacks=[recorder])
    np.testing.assert_allclose(recorder.norms, reference(2, 12)[6:], rtol=1e-5)


def test_norms_of_an_objective_of_this_library():
    recorder, noted = GradientNormRecorder(), []
    model = tiny(run_eagerly=False)
    note = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: noted.append(logs["gradient_norm"]))
    model.fit(vectors(), batch_size=8, epochs=1, verbose=0, callbacks=[recorder, note])
    # The model logs the mean of the epoch so far.
    means = np.cumsum(recorder.norms) / np.arange(1, len(recorder.norms) + 1)
    np.testing.assert_allclose(means, [float(value) for value in noted], rtol=1e-5)


def test_norms_are_those_before_clipping():
    recorder = GradientNormRecorder()
    trained(regression(keras.optimizers.SGD(0.0, global_clipnorm=1e-3)), callbacks=[recorder])
    np.testing.assert_allclose(recorder.norms, reference(2, 6, rate=0.0), rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_training_is_the_same_with_it_and_after_it(optimizer):
    watched, plain = (regression(keras.optimizers.get(optimizer)) for _ in range(2))
    recorder = GradientNormRecorder()
    trained(plain)  # a compiled step is there already
    trained(watched)
    trained(watched, callbacks=[recorder])
    trained(plain)
    trained(watched)
    trained(plain)
    for a, b in zip(arrays(watched), arrays(plain), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(recorder.norms) == 6 and "apply" not in vars(watched.optimizer)


def test_several_calls_go_on_and_make_a_schedule():
    recorder, model = GradientNormRecorder(), regression(keras.optimizers.SGD(LinearDecay(0.1, 12)))
    trained(model, callbacks=[recorder])
    trained(model, callbacks=[recorder])
    assert len(recorder.norms) == 12 and (recorder.norms > 0.0).all()
    assert float(RefinedSchedule(0.1, recorder.norms)(11)) == 0.0


@pytest.mark.parametrize("order", [0, 3, 1.5, True, "2"])
def test_rejects_other_orders(order):
    with pytest.raises(ValueError, match="`order`.*Received: order="):
        GradientNormRecorder(order)


def test_rejects_several_steps_per_execution():
    with pytest.raises(ValueError, match="Received: steps_per_execution=2"):
        trained(regression(steps_per_execution=2), callbacks=[GradientNormRecorder()])
