"""What of a run may change when it goes on, and what is noticed."""

import signal
import threading

import keras
import numpy as np
import pytest

import keras_ssl
from keras_ssl.callbacks import Checkpoint, ResumeError
from keras_ssl.callbacks.run_settings import changed, differences
from keras_ssl.schedules import WarmupCosine
from tests.callbacks.tiny_run import STEPS, assert_equal_state, everything, tiny, train, vectors

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="nothing of it is the backend's")


def fit(folder, x=None, model=None, epochs=2, **options):
    model = tiny() if model is None else model
    x = vectors() if x is None else x
    model.fit(x, batch_size=8, epochs=epochs, verbose=0, callbacks=[Checkpoint(folder, **options)])
    return model


class TestSamples:
    def test_other_arrays_of_the_same_size_are_refused(self, tmp_path):
        fit(tmp_path, epochs=1)
        other = vectors()
        other[5] += 1
        with pytest.raises(ResumeError, match=r"samples\.x\.sha256: .* -> "):
            fit(tmp_path, other)
        fit(tmp_path, other, allow=("samples.x",))
        fit(tmp_path, other, epochs=3)  # from now on they are the run's
        with pytest.raises(ResumeError, match=r"samples\.x\.sha256"):
            fit(tmp_path)

    def test_other_batches_of_a_tf_data_are_refused(self, tmp_path):
        import tensorflow as tf

        def run(batch, epochs):
            data = tf.data.Dataset.from_tensor_slices(vectors()).batch(batch).repeat()
            checkpoint = Checkpoint(tmp_path)
            tiny().fit(data, steps_per_epoch=2, epochs=epochs, verbose=0, callbacks=[checkpoint])

        run(8, 1)
        run(8, 2)
        with pytest.raises(ResumeError, match=r"samples\.batch_sizes\[0\]: 8 -> 16"):
            run(16, 3)


class TestAllow:
    def rates(self, folder, model, **options):
        """The learning rate of each step that is taken."""
        seen = []

        class Watch(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                seen.append(round(float(self.model.optimizer.learning_rate), 6))

        train(model, folder, callbacks=[Watch()], **options)
        return seen

    def test_another_learning_rate(self, tmp_path):
        train(tiny(), tmp_path, epochs=1)
        with pytest.raises(
            ResumeError, match=r"(?s)allow=\('optimizer\.learning_rate',\).*\n.*rate: 0\.0099.* -> 0\.5"
        ):
            train(tiny(learning_rate=0.5), tmp_path)
        allow = ("optimizer.learning_rate",)
        assert self.rates(tmp_path, tiny(learning_rate=0.5), allow=allow, epochs=2) == [0.5] * STEPS
        assert self.rates(tmp_path, tiny(learning_rate=0.5)) == [0.5] * STEPS

    def test_a_rate_that_was_lowered_while_training_stays(self, tmp_path):
        lowered = tiny()
        train(lowered, tmp_path, epochs=1, callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 0.002)])
        assert self.rates(tmp_path, tiny(), epochs=2, allow=("optimizer",)) == [0.002] * STEPS

    @pytest.mark.filterwarnings("ignore:The learning-rate schedule")
    def test_from_a_rate_to_a_schedule_and_back(self, tmp_path):
        allow = ("optimizer.learning_rate",)
        first = tiny()
        train(first, tmp_path, epochs=1)
        moments = everything(first)
        scheduled = tiny(learning_rate=WarmupCosine(0.2, 16))
        rates = self.rates(tmp_path, scheduled, epochs=2, allow=allow)
        assert rates == [round(float(WarmupCosine(0.2, 16)(step)), 6) for step in range(5, 9)]
        assert len(everything(scheduled)) == len(moments) - 1
        longer = tiny(learning_rate=WarmupCosine(0.2, 32))
        assert self.rates(tmp_path, longer, epochs=3, allow=allow)[0] == pytest.approx(
            float(WarmupCosine(0.2, 32)(9)), abs=1e-6
        )
        assert self.rates(tmp_path, tiny(learning_rate=0.3), epochs=4, allow=allow) == [0.3] * STEPS

    @pytest.mark.filterwarnings("ignore:The learning-rate schedule")
    def test_the_moments_are_those_of_the_run(self, tmp_path):
        first = tiny()
        train(first, tmp_path, epochs=1)
        model = tiny(learning_rate=WarmupCosine(1e-30, 16))
        keras_ssl.callbacks.restore_checkpoint(first, tmp_path)
        train(model, tmp_path, epochs=1, allow=("optimizer.learning_rate",))  # nothing is left to do
        mine, theirs = ([np.asarray(v) for v in m.optimizer.variables if v.ndim] for m in (model, first))
        assert len(mine) == len(theirs) > 4 and all(map(np.array_equal, mine, theirs))

    def test_with_loss_scaling(self, tmp_path):
        def make(rate):
            model = tiny()
            model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(rate)), run_eagerly=True)
            return model

        train(make(0.01), tmp_path, epochs=1)
        with pytest.raises(ResumeError, match=r"optimizer\.inner_optimizer\.config\.learning_rate"):
            train(make(0.5), tmp_path)
        assert set(self.rates(tmp_path, make(0.5), allow=("optimizer.inner_optimizer",))) == {0.5}

    def test_nothing_else_is_allowed_by_it(self, tmp_path):
        train(tiny(), tmp_path, epochs=1)
        model = tiny(queue_size=8, learning_rate=0.5)
        before = everything(model)
        with pytest.raises(ResumeError, match=r"changed:\n  model\.queue_size: 16 -> 8\nReceived") as error:
            train(model, tmp_path, allow=("optimizer.learning_rate", "model.queue"))
        assert "allow=('model.queue_size',)" in str(error.value)
        assert_equal_state(everything(model), before)

    def test_places(self):
        saved, now = {"a": {"b": 1, "bc": 1}, "l": [{"c": 1}]}, {"a": {"b": 2, "bc": 2}, "l": [{"c": 2}]}
        assert differences(saved, now, ("a.b",)) == ["a.bc: 1 -> 2", "l[0].c: 1 -> 2"]
        assert differences(saved, now, ("a", "l")) == [] == differences(saved, now, ("a", "l[0]"))
        assert changed(saved, now, ("a.b",)) and not changed(saved, saved, ("a.b",)) and not changed(saved, now, ("x",))

    def test_a_text_is_refused(self, tmp_path):
        with pytest.raises(ValueError, match="Received: allow='optimizer'"):
            Checkpoint(tmp_path, allow="optimizer")


class TestSignals:
    def test_outside_the_main_thread_they_are_refused_before_training(self, tmp_path):
        errors = []

        def work():
            try:
                fit(tmp_path / "run", signals=(signal.SIGTERM,))
            except ValueError as error:
                errors.append(error)

        thread = threading.Thread(target=work, name="mine")
        thread.start()
        thread.join()
        assert "main thread only" in str(errors[0]) and "in the thread 'mine'" in str(errors[0])
        assert not (tmp_path / "run").exists()

    def test_without_them_a_thread_is_fine(self, tmp_path):
        thread = threading.Thread(target=fit, args=(tmp_path,))
        thread.start()
        thread.join()
        assert Checkpoint(tmp_path).latest_path.name == "step-0000000008"

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP, 0, 9999])
    def test_that_cannot_be_caught(self, tmp_path, number):
        with pytest.raises(ValueError, match="can be caught. Received: signals with"):
            Checkpoint(tmp_path, signals=(signal.SIGTERM, number))
