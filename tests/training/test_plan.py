"""Trainings in several calls of `fit`, and schedules that do not fit them."""

import warnings

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.schedules import WarmupCosine
from keras_ssl.training.plan import schedule_length
from tests.callbacks.tiny_run import StopAt, Tiny, assert_equal_state, everything, tiny, vectors

schedules = keras.optimizers.schedules
ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


def byol():
    def layer(units, seed):
        return keras.layers.Dense(units, kernel_initializer=keras.initializers.GlorotUniform(seed))

    encoder = keras.Sequential([keras.layers.Input((4,)), layer(6, 1)])
    keras.utils.set_random_seed(0)
    model = keras_ssl.BYOL(encoder, projector=(4,), predictor=(4,), views=_noisy, momentum=0.5)
    model.compile(keras.optimizers.SGD(0.1), run_eagerly=ON_TENSORFLOW)
    return model


def _noisy(x, stream):
    return [x, x + 0.1]


@pytest.fixture
def seen(monkeypatch):
    """The samples of each step that was taken, by their numbers."""
    steps, embed = [], Tiny.embed

    def noted(model, batch, step):
        steps.append(tuple(np.asarray(batch["index"]).tolist()))
        return embed(model, batch, step)

    monkeypatch.setattr(Tiny, "embed", noted)
    return steps


def fit(model, **options):
    return model.fit(vectors(), **{"batch_size": 8, "verbose": 0, **options}).history


@pytest.mark.filterwarnings("error::UserWarning")
def test_three_calls_of_one_epoch_are_one_call_of_three(seen):
    once, often = tiny(), tiny()
    fit(once, epochs=3)
    whole = seen.copy()
    seen.clear()
    losses = [fit(often)["loss"][0] for _ in range(3)]
    assert seen == whole and len(set(whole)) == len(whole) == 12
    assert losses == once.history.history["loss"]
    now, expected = everything(often), everything(once)
    assert int(expected.pop("model/total_updates")) == int(now.pop("model/total_updates")) == 12
    assert_equal_state(now, expected)


def test_counted_epochs_go_on_with_the_order_as_well(seen):
    fit(tiny(), epochs=3)
    whole = seen.copy()
    seen.clear()
    model = tiny()
    for epoch in range(3):
        fit(model, initial_epoch=epoch, epochs=epoch + 1)
    assert seen == whole
    seen.clear()
    fit(tiny(), initial_epoch=2, epochs=3)  # weights of elsewhere
    assert seen == whole[8:]


def test_a_run_that_keras_restores_goes_on_with_the_order(tmp_path, seen):
    once, late = tiny(), tiny()
    fit(once, epochs=3)
    whole = seen.copy()
    with pytest.raises(KeyboardInterrupt):
        fit(tiny(), epochs=3, callbacks=[keras.callbacks.BackupAndRestore(tmp_path), StopAt(5)])
    seen.clear()
    fit(late, epochs=3, callbacks=[keras.callbacks.BackupAndRestore(tmp_path)])
    assert seen[-8:] == whole[4:]


@pytest.mark.filterwarnings("error::UserWarning")
def test_the_momentum_of_a_training_in_several_calls():
    once, often = byol(), byol()
    whole = fit(once, epochs=3)["momentum"]
    assert [fit(often, total_epochs=3)["momentum"][0] for _ in range(3)] == whole
    for mine, theirs in zip(often.get_weights(), once.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_momentum_that_goes_back_is_said():
    model = byol()
    fit(model)
    with pytest.warns(UserWarning, match="came to its end with the 4 updates.*`total_epochs`") as said:
        fit(model)
    assert [one.filename for one in said if one.category is UserWarning] == [__file__]


def test_fewer_epochs_in_all_than_in_this_call():
    with pytest.raises(ValueError, match="total_epochs.*Received: total_epochs=1"):
        fit(tiny(), epochs=2, total_epochs=1)


def scheduled(schedule, **options):
    model = tiny()
    model.compile(keras.optimizers.SGD(schedule, **options), run_eagerly=True)
    return model


@pytest.mark.skipif(not ON_TENSORFLOW, reason="nothing of it is the backend's")
class TestSchedules:
    """Four batches make an epoch."""

    @pytest.mark.parametrize(
        ("schedule", "message"),
        [
            (WarmupCosine(0.1, 4), r"over after 4 batches: from there on the rate is 0, .* has 12 batches"),
            (schedules.CosineDecay(0.1, 4, alpha=0.5), r"over after 4 batches: from there on the rate is 0.05"),
            (schedules.PolynomialDecay(0.1, 4, 0.0), r"over after 4 batches"),
            (WarmupCosine(0.1, 48), r"takes 48 batches: the training ends at 25% of it"),
            (schedules.CosineDecay(0.1, 40, warmup_steps=8, warmup_target=0.2), r"takes 48 batches"),
        ],
    )
    def test_of_another_length_are_warned_of_once(self, schedule, message):
        model = scheduled(schedule)
        with pytest.warns(UserWarning, match=message) as said:
            fit(model, epochs=3)
            fit(model, initial_epoch=3, epochs=6)
        files = [one.filename for one in said if "schedule" in str(one.message)]
        assert files == [__file__]

    @pytest.mark.filterwarnings("error:The learning-rate")
    @pytest.mark.parametrize(
        "schedule",
        [
            WarmupCosine(0.1, 12),
            WarmupCosine(0.1, 13, warmup_steps=3),
            schedules.CosineDecay(0.1, 9, warmup_steps=3, warmup_target=0.2),
            schedules.PolynomialDecay(0.1, 3, cycle=True),
            schedules.ExponentialDecay(0.1, 2, 0.9),
            schedules.CosineDecayRestarts(0.1, 2),
            schedules.PiecewiseConstantDecay([2], [0.1, 0.01]),
            0.1,
        ],
    )
    def test_that_fit_and_that_have_no_end(self, schedule):
        fit(scheduled(schedule), epochs=3)

    def test_accumulation_counts_batches(self):
        with pytest.warns(UserWarning, match=r"over after 6 batches.*has 12 batches, 2 of which make an update"):
            fit(scheduled(WarmupCosine(0.1, 6), gradient_accumulation_steps=2), epochs=3)

    @pytest.mark.filterwarnings("error:The learning-rate")
    def test_all_calls_count_together(self):
        model = scheduled(WarmupCosine(0.1, 12))
        for _ in range(3):
            fit(model, total_epochs=3)
        resumed = scheduled(WarmupCosine(0.1, 24))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit(resumed, epochs=3)
        fit(resumed, initial_epoch=3, epochs=6)

    def test_lengths(self):
        assert schedule_length(WarmupCosine(0.1, 7)) == 7 and schedule_length(None) is None
        assert schedule_length(schedules.CosineDecay(0.1, 7)) == 7


@pytest.mark.skipif(not ON_TENSORFLOW, reason="tf.data belongs to TensorFlow")
class TestEndless:
    def data(self):
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices(vectors()).batch(8).repeat()

    def test_tf_data(self):
        with pytest.raises(ValueError, match=r"never end.*`steps_per_epoch`.*Received: data of type .*Dataset"):
            tiny().fit(self.data(), verbose=0)
        with pytest.raises(ValueError, match=r"`validation_steps`.*validation_steps=None"):
            fit(tiny(), validation_data=self.data())
        model = tiny()
        with pytest.raises(ValueError, match="`steps`, the batches"):
            model.evaluate(self.data(), verbose=0)
        model.fit(self.data(), steps_per_epoch=2, validation_data=self.data(), validation_steps=1, verbose=0)
        model.evaluate(self.data(), steps=1, verbose=0)

    def test_a_py_dataset(self):
        class Endless(keras.utils.PyDataset):
            num_batches = None

            def __getitem__(self, index):
                return (vectors(8),)

        with pytest.raises(ValueError, match="never end.*Received: data of type Endless"):
            tiny().fit(Endless(), verbose=0)
