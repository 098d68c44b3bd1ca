"""Runs that go wrong end, and say why."""

import keras
import numpy as np
import pytest

from keras_ssl.callbacks import StopOnNaN
from tests.callbacks.tiny_run import Tiny, tiny, vectors

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


@keras.ops.custom_gradient
def _fine_but_for_its_gradient(x):
    def gradient(*arguments, upstream=None):
        upstream = arguments[0] if upstream is None else upstream
        return upstream * float("nan")

    return x * 1.0, gradient


class Faulty(Tiny):
    """Goes wrong at its third step, where it is told."""

    def __init__(self, encoder, place=None):
        super().__init__(encoder)
        self.place = place

    def spoiled(self, place, value):
        bad = keras.ops.where(keras.ops.convert_to_tensor(self.step) >= 2, float("nan"), 0.0)
        return value + bad if place == self.place else value

    def embed(self, batch, step):
        embeddings = super().embed(batch, step)
        return {**embeddings, "z2": self.spoiled("z2", embeddings["z2"])}

    def objective(self, embeddings, step):
        if self.place == "gradient":
            embeddings = {**embeddings, "z1": _fine_but_for_its_gradient(embeddings["z1"])}
        loss, logs = super().objective(embeddings, step)
        return loss, {"near": self.spoiled("near", logs["near"])}


def faulty(place, **options):
    model = Faulty(tiny().encoder, place)
    model.compile(keras.optimizers.SGD(0.01), run_eagerly=True, **options)
    return model


def fit(model, x=None, **options):
    x = vectors() if x is None else x
    return model.fit(x, batch_size=8, verbose=0, callbacks=[StopOnNaN()], **options)


@pytest.mark.parametrize(
    ("place", "cause"), [("z2", "batch 2 of epoch 0.*the embedding `z2`"), ("near", "batch 2 of epoch 0.*`near`")]
)
def test_names_the_first_bad_tensor(place, cause):
    with pytest.raises(FloatingPointError, match=f"{cause}.*Received: .*near=nan"):
        fit(faulty(place))


@pytest.mark.parametrize("count", [32, 8])
def test_a_bad_gradient_of_a_finite_loss(count):
    """It is known from the step that it came up in, though it shows in the next, or at the end of the epoch."""
    with pytest.raises(FloatingPointError, match=r"the gradient of `sequential_0/out/bias`"):
        fit(faulty("gradient"), vectors(count))


@pytest.mark.skipif(not ON_TENSORFLOW, reason="nothing of it is the backend's")
def test_ready_made_views_are_told_apart():
    views = [vectors(), vectors()]
    model = tiny()
    model.fit(tuple(views), batch_size=8, verbose=0, callbacks=[StopOnNaN()])
    data = [{"x": (views[0][:8], np.full((8, 4), np.inf, "float32"))}]

    class Data(keras.utils.PyDataset):
        def __len__(self):
            return 1

        def __getitem__(self, batch):
            return data[batch]

    with pytest.raises(FloatingPointError, match=r"the input `x\[1\]`"):
        model.fit(Data(), verbose=0, callbacks=[StopOnNaN()])


def test_good_runs_are_as_without(tmp_path):
    with_it, without = tiny(), tiny()
    history = fit(with_it).history
    assert history == without.fit(vectors(), batch_size=8, verbose=0).history
    assert [weight.shape for weight in with_it.weights] == [weight.shape for weight in without.weights]
    with_it.save_weights(tmp_path / "a.weights.h5")
    without.load_weights(tmp_path / "a.weights.h5")
    np.testing.assert_array_equal(with_it.get_weights()[-1], without.get_weights()[-1])
    assert with_it._watch is None


def scaled(model, scale):
    """The model with dynamic loss scaling; an eager optimizer compiles for long on JAX."""
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.01), initial_scale=scale)
    model.compile(optimizer, run_eagerly=ON_TENSORFLOW, jit_compile=not ON_TENSORFLOW)
    return model


def test_infinite_gradients_are_normal_under_loss_scaling():
    model = scaled(tiny(), 1e38)
    assert np.isfinite(fit(model).history["loss"]).all()
    assert int(model.updates) < 4 and float(model.optimizer.dynamic_scale) < 1e38


@pytest.mark.parametrize("exponent", [0, -14])
def test_a_gradient_that_no_scale_mends_ends_the_run(exponent):
    """Four steps: the fourth has the scale 2**-17, if all before were skipped."""
    model = scaled(faulty("gradient"), 2.0**exponent)
    if exponent == 0:
        assert np.isfinite(fit(model).history["loss"]).all() and int(model.updates) == 0
    else:
        with pytest.raises(FloatingPointError, match=r"end of epoch 0: .*the gradient of `sequential_0/out/bias`"):
            fit(model)
