"""Arguments of `fit` that Keras has: those that have a meaning here work, the others are refused with a sentence."""

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.callbacks import Checkpoint
from keras_ssl.data import from_arrays
from tests.callbacks.tiny_run import StopAt, assert_equal_state, everything, tiny, vectors

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


@pytest.mark.parametrize(
    ("name", "value"), [("class_weight", {0: 1.0, 1: 2.0}), ("sample_weight", np.ones(4, "float32"))]
)
@pytest.mark.parametrize("method", ["fit", "evaluate"])
def test_weights_of_classes_and_samples_are_refused_with_a_sentence(name, value, method):
    with pytest.raises(ValueError, match=rf"`{name}` has no place here.*Tiny.*Received: {name}="):
        getattr(tiny(), method)(vectors(), **{name: value})


def test_an_unknown_argument_is_named_with_the_public_class():
    with pytest.raises(TypeError, match=r"Tiny\.fit\(\) got an unexpected keyword argument 'epoch'"):
        tiny().fit(vectors(), epoch=3)


def test_a_loss_is_refused_with_its_value():
    with pytest.raises(ValueError, match="Received: loss='mse'"):
        tiny().compile("adam", loss="mse")


def test_an_epoch_of_arrays_may_end_early():
    """Every epoch has the first batches of its own order."""
    data, whole = from_arrays(vectors(), batch_size=4), from_arrays(vectors(), batch_size=4)
    data.shorten(2)
    assert len(data) == 2 < len(whole)
    for epoch in range(2):
        data.epoch = whole.epoch = epoch
        for number in range(2):
            np.testing.assert_array_equal(data[number]["index"], whole[number]["index"])
    model = tiny()
    model.fit(vectors(), batch_size=4, epochs=3, steps_per_epoch=2, verbose=0)
    assert int(model.step) == int(model.total_updates) == 6


def test_an_epoch_of_arrays_is_at_most_one_pass():
    count = len(vectors())
    with pytest.raises(
        ValueError, match=rf"more `epochs`.*Received: steps_per_epoch=99, and {count // 4} batches of 4"
    ):
        tiny().fit(vectors(), batch_size=4, steps_per_epoch=99)


def test_a_run_of_short_epochs_resumes_where_it_was(tmp_path):
    def run(model, *more):
        callbacks = [Checkpoint(tmp_path / "resumed", every_steps=1), *more] if more or resuming else []
        model.fit(vectors(), batch_size=4, epochs=3, steps_per_epoch=2, callbacks=callbacks, verbose=0)
        return everything(model)

    resuming = False
    expected = run(tiny())
    with pytest.raises(KeyboardInterrupt):
        run(tiny(), StopAt(3))
    resuming = True
    assert_equal_state(run(tiny()), expected)


def whitened(projector=(8,), **options):
    encoder = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(6, name="dense")])
    model = keras_ssl.WMSE(encoder, projector=projector, **options)
    model.compile(keras.optimizers.SGD(0.05))
    return model


VIEWS = np.random.default_rng(0).normal(size=(2, 48, 4)).astype("float32") + np.ones((48, 1), "float32")


def test_the_whole_batch_is_whitened_without_eager_mode_or_a_size():
    """On TensorFlow the program does not know how many samples a batch has: arrays tell `fit` beforehand."""
    whole, told = whitened(), whitened(whitening_size=16)
    told.set_weights(whole.get_weights())
    losses = [
        model.fit(tuple(VIEWS), batch_size=16, shuffle=False, verbose=0).history["loss"] for model in (whole, told)
    ]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-4)
    # Another size in the same program, and held-out data in batches of any size.
    again = whole.fit(tuple(VIEWS), batch_size=24, verbose=0, validation_data=tuple(VIEWS[:, :20])).history
    assert np.isfinite(again["loss"] + again["val_loss"]).all()


def test_a_batch_too_small_to_be_whitened_names_what_to_change():
    with pytest.raises(ValueError, match="larger `batch_size`.*`projector`.*Received: whitening_size=8"):
        whitened().fit(tuple(VIEWS), batch_size=8)


@pytest.mark.skipif(not ON_TENSORFLOW, reason="data of tf.data")
def test_batches_of_which_nothing_is_known_are_refused():
    import tensorflow as tf

    data = tf.data.Dataset.from_tensor_slices(tuple(VIEWS)).batch(20)  # the last has 8
    with pytest.raises(ValueError, match="drop_remainder=True"):
        whitened().fit(data)
