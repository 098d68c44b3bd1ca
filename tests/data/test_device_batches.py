"""Arrays that lie on the accelerator: the batches are those of the host, bit for bit, and `fit` trains on them."""

import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_ssl.data import from_arrays
from keras_ssl.data.device_batches import DeviceBatches, RowBatches, gather_rows
from keras_ssl.random import seeded_initializers
from keras_ssl.training.resume import FitHook, Position
from tests.callbacks.tiny_run import assert_equal_state, everything, tiny, train, vectors
from tests.training.test_ssl_model import Twins, compiled, encoder


def images(count=21):
    return np.random.RandomState(0).randint(0, 256, (count, 5, 3, 3)).astype("uint8")


def pair(x, **arguments):
    return [from_arrays(x, batch_size=4, seed=3, on_device=on_device, **arguments) for on_device in (False, True)]


def assert_equal_batches(got, expected):
    assert got.keys() == expected.keys()
    for key, value in expected.items():
        for have, want in zip(*[v if isinstance(v, tuple) else (v,) for v in (got[key], value)], strict=True):
            have = keras.ops.convert_to_numpy(have)
            assert have.dtype == want.dtype
            np.testing.assert_array_equal(have, want)


@pytest.mark.parametrize(
    "x", [images(), images() / 255, (images() / 255).astype("float16"), (images(), images()[::-1])]
)
def test_batches_are_those_of_the_host_bit_for_bit(x):
    host, device = pair(x, y=np.arange(21), index=np.arange(100, 121), drop_remainder=False)
    for epoch in (0, 5):
        host.epoch = device.epoch = epoch
        host.first_batch = device.first_batch = 1
        assert len(device) == len(host) == 5
        for number in range(5):
            batch = device[number]
            views = batch["x"] if isinstance(batch["x"], tuple) else (batch["x"],)
            assert all(keras.ops.is_tensor(view) for view in views)
            assert_equal_batches(batch, host[number])


def test_rows_stand_in_for_the_inputs():
    host, device = pair(images(), y=np.arange(21))
    rows = RowBatches(device)
    host.epoch = device.epoch = 2
    assert len(rows) == len(host) == 5
    batch = rows[3]
    assert sorted(batch) == ["index", "rows", "y"] and batch["rows"].dtype == np.int32
    x = gather_rows(device.resident, batch.pop("rows"))
    assert_equal_batches({"x": x, **batch}, host[3])
    rows.on_epoch_end()
    assert device.epoch == 3


@pytest.mark.slow
def test_the_compiled_step_gathers_images():
    states = []
    x = np.random.RandomState(0).randint(0, 256, (12, 8, 8, 3)).astype("uint8")
    for data in pair(x, y=np.arange(12)):
        with seeded_initializers(0):
            model = compiled(Twins(encoder()), jit_compile=True)
        model.fit(data, verbose=0)
        states.append(everything(model))
    assert_equal_state(states[1], states[0])


@pytest.mark.slow
def test_another_data_set_is_not_read_from_the_first():
    """What the step was traced with must not outlive the call of `fit` that it was traced for."""
    states = []
    for on_device in ((False, False, False, False), (True, True, False, True)):
        model = tiny(run_eagerly=False)
        for seed, here in enumerate(on_device):
            data = from_arrays(vectors()[:16] + seed, batch_size=8, seed=seed, on_device=here)
            model.fit(data, verbose=0)
            assert data.epoch == 1
        states.append(everything(model))
    assert_equal_state(states[1], states[0])


def test_a_run_goes_on_in_the_middle_of_an_epoch():
    class Begin(FitHook):
        def before_fit(self, model, run):
            return Position(1, 2, 1, 0, run.epochs)

    states = []
    for on_device in (False, True):
        model, data = tiny(), from_arrays(vectors(), batch_size=8, on_device=on_device)
        train(model, data=data, callbacks=[Begin()], epochs=2)
        assert int(model.step) == 2
        states.append(everything(model))
    assert_equal_state(states[1], states[0])


def test_evaluation_and_plain_models_take_them():
    x = vectors()
    host, device = pair(x[:8], y=np.arange(8) % 3)
    model = tiny()
    assert model.evaluate(device, verbose=0) == model.evaluate(host, verbose=0)
    plain = keras.Sequential([keras.Input((4,)), keras.layers.Identity()])
    batches = keras.ops.convert_to_numpy(plain(device[0]["x"]))
    np.testing.assert_array_equal(batches, host[0]["x"])


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool"])
def test_types_that_do_not_stay_on_the_device(dtype):
    with pytest.raises(ValueError, match=f"uint8 or floating.*Received: x.dtype={dtype}"):
        from_arrays(np.ones((8, 2), dtype), batch_size=4, on_device=True)


def test_what_does_not_fit_is_an_error_that_names_it(monkeypatch):
    def full(array):
        raise RuntimeError("RESOURCE_EXHAUSTED: out of memory\nand a long trace")

    monkeypatch.setattr(sys.modules[DeviceBatches.__module__], "_put", full)
    with pytest.raises(
        ValueError, match=r"`on_device=True`.*\(RESOURCE_EXHAUSTED: out of memory\). Received: x of 0.00"
    ):
        from_arrays(images(), batch_size=4, on_device=True)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="JAX's replicas share what one device holds")
def test_replicas_of_tensorflow_are_refused(monkeypatch):
    model = tiny()
    monkeypatch.setattr(type(model), "distribute_strategy", SimpleNamespace(num_replicas_in_sync=2))
    with pytest.raises(ValueError, match="Received: on_device=True with 2 replicas"):
        model.backend.step_data(model, pair(vectors())[1])
    host = pair(vectors())[0]
    assert model.backend.step_data(model, host) is host
