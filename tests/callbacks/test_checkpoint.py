"""Runs that are interrupted and go on; the disk's faults; signals."""

import json
import os
import resource
import shutil
import signal
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_ssl.callbacks import Checkpoint, ResumeError, StopOnNaN
from keras_ssl.callbacks.checkpoint_folder import STATE, VARIABLES
from tests.callbacks.tiny_run import (
    EPOCHS,
    STEPS,
    StopAt,
    assert_equal_state,
    everything,
    tiny,
    train,
    vectors,
)

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


@pytest.fixture(scope="module")
def uninterrupted():
    """State and history of the whole run, without any checkpoint."""
    model = tiny()
    history = train(model)
    return everything(model), history


def assert_goes_on(folder, uninterrupted, **options):
    """The same call, with new objects: it ends where the uninterrupted run does, with its history."""
    model = tiny()
    history = train(model, folder, **options)
    assert_equal_state(everything(model), uninterrupted[0])
    assert history == uninterrupted[1]
    return model


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


class At(keras.callbacks.Callback):
    """Does something at an event: the end of a batch, or of an epoch."""

    def __init__(self, act, batch=None, epoch=0, end_of_epoch=False):
        super().__init__()
        self.act, self.batch, self.epoch, self.end_of_epoch = act, batch, epoch, end_of_epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch

    def on_train_batch_begin(self, batch, logs=None):
        if self.now == self.epoch and batch == self.batch:
            self.act()

    def on_epoch_end(self, epoch, logs=None):
        if self.end_of_epoch and epoch == self.epoch:
            self.act()


class TestResume:
    @pytest.mark.slow
    @pytest.mark.parametrize("stop", [1, 4, 11])
    def test_at_any_step_equals_the_uninterrupted_run(self, tmp_path, uninterrupted, stop):
        assert train(tiny(), tmp_path, stop=stop) is None
        assert_goes_on(tmp_path, uninterrupted)

    @pytest.mark.slow
    @pytest.mark.skipif(not ON_TENSORFLOW, reason="nothing of it is the backend's")
    def test_again_and_again(self, tmp_path, uninterrupted):
        for stop in (2, 1, 5):
            train(tiny(), tmp_path, stop=stop)
        assert_goes_on(tmp_path, uninterrupted)

    @pytest.mark.slow
    def test_from_ends_of_epochs_only(self, tmp_path, uninterrupted):
        train(tiny(), tmp_path, stop=STEPS + 2, every_steps=None)
        assert names(tmp_path) == [f"step-{STEPS:010}"]
        assert_goes_on(tmp_path, uninterrupted, every_steps=None)

    @pytest.mark.skipif(not ON_TENSORFLOW, reason="nothing of it is the backend's")
    def test_callbacks_see_the_numbers_of_the_whole_run(self, tmp_path):
        seen = []

        class Watch(keras.callbacks.Callback):
            def on_epoch_begin(self, epoch, logs=None):
                self.epoch = epoch

            def on_train_batch_end(self, batch, logs=None):
                seen.append((self.epoch, batch))

        train(tiny(), tmp_path, stop=STEPS + 2)
        train(tiny(), tmp_path, callbacks=[Watch()])
        assert seen == [(1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3)]

    def test_a_finished_run_has_nothing_left_to_do(self, tmp_path, uninterrupted):
        train(tiny(), tmp_path)
        assert_goes_on(tmp_path, uninterrupted, callbacks=[StopAt(1)])

    @pytest.mark.skipif(not ON_TENSORFLOW, reason="nothing of it is the backend's")
    def test_more_epochs_go_on(self, tmp_path):
        whole = tiny()
        train(whole, epochs=2)
        train(tiny(), tmp_path, epochs=1)
        longer = tiny()
        train(longer, tmp_path, epochs=2)
        assert_equal_state(everything(longer), everything(whole))
        assert int(longer.total_updates) == 2 * STEPS

    @pytest.mark.long
    @pytest.mark.skipif(not ON_TENSORFLOW, reason="an eager optimizer on JAX compiles for long")
    def test_with_accumulated_gradients_and_loss_scaling(self, tmp_path):
        def make():
            model = tiny()
            inner = keras.optimizers.Adam(0.01, gradient_accumulation_steps=3)
            model.compile(keras.optimizers.LossScaleOptimizer(inner, initial_scale=1e38), run_eagerly=True)
            return model

        whole, late = make(), make()
        train(whole)
        train(make(), tmp_path, stop=STEPS + 1)
        train(late, tmp_path)
        assert_equal_state(everything(late), everything(whole))
        assert float(late.optimizer.dynamic_scale) < 1e38 and int(late.updates) > 0

    @pytest.mark.skipif(not ON_TENSORFLOW, reason="slow to compile; nothing of it is the backend's")
    def test_with_several_steps_per_execution(self, tmp_path):
        def make():
            return tiny(run_eagerly=False, steps_per_execution=2)

        whole, late = make(), make()
        train(whole)
        train(make(), tmp_path, stop=3)
        train(late, tmp_path)
        assert_equal_state(everything(late), everything(whole))
        train(make(), tmp_path / "odd", stop=1)
        with pytest.raises(ValueError, match="Received: steps_per_execution=4"):
            train(tiny(steps_per_execution=4), tmp_path / "odd")

    @pytest.mark.slow
    @pytest.mark.parametrize("repeated", [False, True])
    @pytest.mark.skipif(not ON_TENSORFLOW, reason="tf.data belongs to TensorFlow")
    def test_a_data_set_of_the_user_is_read_on(self, tmp_path, repeated):
        import tensorflow as tf

        def fit(model, *callbacks):
            data = tf.data.Dataset.from_tensor_slices(vectors()).shuffle(9, 3, reshuffle_each_iteration=repeated)
            data = data.batch(8, drop_remainder=True)
            steps = {"steps_per_epoch": STEPS} if repeated else {}
            return model.fit(
                data.repeat() if repeated else data, epochs=3, verbose=0, callbacks=list(callbacks), **steps
            )

        whole, late = tiny(), tiny()
        fit(whole)
        with pytest.raises(KeyboardInterrupt):
            fit(tiny(), Checkpoint(tmp_path, every_steps=1), StopAt(STEPS + 3))
        fit(late, Checkpoint(tmp_path))
        assert_equal_state(everything(late), everything(whole))

    def test_data_of_unknown_length_are_refused(self, tmp_path):
        def batches():
            while True:
                yield (vectors(8),)

        with pytest.raises(ValueError, match="steps_per_epoch.*Received: x of type generator"):
            train(tiny(), tmp_path, data=batches())

    @pytest.mark.slow
    @pytest.mark.skipif(not ON_TENSORFLOW, reason="nothing of it is the backend's")
    def test_validation_and_best_epoch(self, tmp_path):
        """The best epoch is kept whenever it was, and known after a resumption."""
        losses = iter([3.0, 1.0, 2.0, 4.0])

        class Measure(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                logs["val_loss"] = next(losses)

        def run(epochs):
            checkpoint = Checkpoint(tmp_path, keep=1, best="val_loss")
            train(tiny(), epochs=epochs, callbacks=[Measure(), checkpoint])
            return checkpoint

        run(2)
        checkpoint = run(4)
        assert names(tmp_path) == ["step-0000000008", "step-0000000016"]
        assert checkpoint.best_path.name == "step-0000000008" and checkpoint.latest_path.name == "step-0000000016"

    def test_a_best_number_that_nobody_logs_is_said(self, tmp_path):
        with pytest.warns(UserWarning, match="Received: best='knn'"):
            train(tiny(), tmp_path, epochs=1, best="knn")


@pytest.mark.skipif(not ON_TENSORFLOW, reason="nothing of it is the backend's")
class TestFolder:
    def test_keeps_the_last(self, tmp_path):
        train(tiny(), tmp_path, keep=3)
        assert names(tmp_path) == [f"step-{step:010}" for step in (10, 11, 12)]

    def test_a_damaged_checkpoint_is_passed_over(self, tmp_path, uninterrupted):
        train(tiny(), tmp_path, stop=6)
        variables = tmp_path / "step-0000000006" / VARIABLES
        variables.write_bytes(variables.read_bytes()[:-1])
        with pytest.warns(UserWarning, match="not whole.*step-0000000006"):
            assert_goes_on(tmp_path, uninterrupted)

    def test_what_killed_runs_left_is_removed(self, tmp_path):
        leftover = tmp_path / f".{'a' * 32}-step-0000000007"
        leftover.mkdir()
        (tmp_path / "mine").mkdir()
        train(tiny(), tmp_path, epochs=1, keep=1)
        assert names(tmp_path) == ["mine", "step-0000000004"]

    def test_two_runs_do_not_share_a_folder(self, tmp_path):
        def another():
            with pytest.raises(ResumeError, match="Another run saves its checkpoints here"):
                train(tiny(), tmp_path)
            raised.append(True)

        raised = []
        train(tiny(), tmp_path, epochs=1, callbacks=[At(another, batch=1)])
        assert raised

    def test_a_changed_run_is_refused_and_the_change_is_shown(self, tmp_path):
        train(tiny(), tmp_path, epochs=1, settings={"recipe": {"size": 32}})
        same = {"settings": {"recipe": {"size": 32}}}
        with pytest.raises(ResumeError, match=r"model\.queue_size: 16 -> 8\n"):
            train(tiny(queue_size=8), tmp_path, **same)
        with pytest.raises(ResumeError, match=r"optimizer\.learning_rate: [\d.]+ -> 0\.5\n"):
            train(tiny(learning_rate=0.5), tmp_path, **same)
        with pytest.raises(ResumeError, match=r"settings\.recipe\.size: 32 -> 64\n"):
            train(tiny(), tmp_path, settings={"recipe": {"size": 64}})
        with pytest.raises(ValueError, match=r"data\.steps_per_epoch: 4 -> 2\n  data.batch_size: 8 -> 16\n"):
            tiny().fit(vectors(), batch_size=16, verbose=0, callbacks=[Checkpoint(tmp_path, **same)])
        before = tiny()
        start = everything(before)
        with pytest.raises(ValueError, match="Received: folder="):
            train(before, tmp_path)
        assert_equal_state(everything(before), start)

    @pytest.mark.parametrize(
        ("arguments", "received"),
        [
            ({"every_epochs": 0}, "every_epochs=0"),
            ({"every_steps": 1.5}, "every_steps=1.5"),
            ({"keep": None}, "keep=None"),
            ({"mode": "best"}, "mode='best'"),
        ],
    )
    def test_bad_arguments(self, tmp_path, arguments, received):
        with pytest.raises(ValueError, match=f"Received: {received}"):
            Checkpoint(tmp_path, **arguments)


class TestFaults:
    @pytest.mark.slow
    @pytest.mark.skipif(not ON_TENSORFLOW, reason="nothing of it is the backend's")
    def test_a_full_disk_keeps_what_there_is_and_says_so(self, tmp_path, uninterrupted):
        """The system itself refuses to write: no file may grow beyond a few bytes for a while."""
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)

        def set_limit(size):
            while size == 100 and not (tmp_path / "step-0000000005").exists():
                time.sleep(0.01)  # the thread is still at it
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))

        model = tiny()
        steps = [At(lambda: set_limit(100), batch=1, epoch=1), At(lambda: set_limit(limits[0]), batch=1, epoch=2)]
        try:
            with pytest.warns(UserWarning, match=r"step \d+ could not be written.*step-0000000005.*Training goes on"):
                train(model, tmp_path, callbacks=steps, keep=9)
        finally:
            set_limit(limits[0])
        assert_equal_state(everything(model), uninterrupted[0])  # training went on
        steps = [1, 2, 3, 4, 5, 10, 11, 12]
        # Those before it, and when there was room again, of which step 9 is not told: its thread may have been late.
        assert set(names(tmp_path)) - {"step-0000000009"} == {f"step-{step:010}" for step in steps}
        for step in (10, 11, 12):
            shutil.rmtree(tmp_path / f"step-{step:010}")
        assert_goes_on(tmp_path, uninterrupted)

    def test_a_bad_state_is_never_saved(self, tmp_path):
        model = tiny()

        def spoil():
            weights = model.encoder.get_layer("out").kernel
            weights.assign(np.full(weights.shape, np.nan))

        with pytest.raises(FloatingPointError, match=r"step-0000000004\. Received: model/"):
            train(model, tmp_path, callbacks=[At(spoil, batch=0, epoch=1)])
        assert names(tmp_path) == ["step-0000000003", "step-0000000004"]

    @pytest.mark.slow
    def test_stop_on_nan_keeps_the_last_good_checkpoint(self, tmp_path):
        x = vectors()
        model = tiny()
        data = Poisoned(x, bad_epoch=1, bad_batch=2)
        with pytest.raises(FloatingPointError, match="batch 2 of epoch 1.*the input `x`"):
            train(model, tmp_path, callbacks=[StopOnNaN()], data=data)
        assert names(tmp_path)[-1] == "step-0000000006"


class Poisoned(keras.utils.PyDataset):
    """Batches of which one holds NaN."""

    def __init__(self, x, bad_epoch, bad_batch):
        super().__init__()
        self.x, self.bad, self.epoch = x, (bad_epoch, bad_batch), -1

    def __len__(self):
        return STEPS

    def __getitem__(self, batch):
        rows = self.x[8 * batch : 8 * batch + 8].copy()
        if (self.epoch, batch) == self.bad:
            rows[0] = np.nan
        return (rows,)

    def on_epoch_begin(self):
        self.epoch += 1


class TestSignals:
    SIGNALS = (signal.SIGTERM, signal.SIGINT)

    def ended_by(self, folder, number, **when):
        handler = signal.getsignal(number)
        callbacks = [At(lambda: os.kill(os.getpid(), number), **when)]
        with pytest.raises(SystemExit) as end:
            train(tiny(), folder, callbacks=callbacks, every_steps=None, signals=self.SIGNALS)
        assert signal.getsignal(number) is handler
        return end.value.code

    @pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
    def test_saves_after_the_step_and_ends(self, tmp_path, uninterrupted, capsys, number, code):
        assert self.ended_by(tmp_path, number, batch=1, epoch=1) == code
        assert names(tmp_path) == ["step-0000000004", "step-0000000006"]
        assert f"{signal.Signals(number).name}: saved in" in capsys.readouterr().err
        if number == signal.SIGTERM:
            assert_goes_on(tmp_path, uninterrupted)

    def test_in_the_last_step_of_an_epoch(self, tmp_path, uninterrupted):
        """The epoch's end may take long and is not waited for: its last step is taken again."""
        assert self.ended_by(tmp_path, signal.SIGTERM, batch=STEPS - 1, epoch=1) == 143
        assert names(tmp_path) == ["step-0000000004", "step-0000000007"]
        assert_goes_on(tmp_path, uninterrupted)

    def test_while_the_end_of_an_epoch_is_dealt_with(self, tmp_path, uninterrupted):
        assert self.ended_by(tmp_path, signal.SIGTERM, end_of_epoch=True, epoch=EPOCHS - 1) == 143
        assert names(tmp_path)[-1] == "step-0000000011"
        assert_goes_on(tmp_path, uninterrupted)

    def test_after_the_last_step(self, tmp_path, uninterrupted):
        class Late(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if epoch + 1 == EPOCHS:
                    os.kill(os.getpid(), signal.SIGTERM)

        checkpoint = Checkpoint(tmp_path, signals=self.SIGNALS)
        with pytest.raises(SystemExit) as end:
            train(tiny(), callbacks=[checkpoint, Late()])
        assert end.value.code == 143 and names(tmp_path)[-1] == "step-0000000012"
        assert_goes_on(tmp_path, uninterrupted)

    def test_before_the_first_step_nothing_is_saved_and_the_usual_happens(self, tmp_path):
        class Usual(Exception):
            pass

        def usual(number, frame):
            raise Usual

        before = signal.signal(signal.SIGTERM, usual)
        try:
            with pytest.raises(Usual):
                self.ended_by(tmp_path, signal.SIGTERM, batch=0, epoch=0)
        finally:
            signal.signal(signal.SIGTERM, before)
        assert names(tmp_path) == []

    def test_a_failure_to_save_is_said_and_is_another_exit(self, tmp_path):
        def remove():
            shutil.rmtree(tmp_path / "run")
            (tmp_path / "run").write_text("no folder")
            os.kill(os.getpid(), signal.SIGTERM)

        with pytest.raises(SystemExit, match="SIGTERM: .*could not be written"):
            train(tiny(), tmp_path / "run", callbacks=[At(remove, batch=1)], every_steps=None, signals=self.SIGNALS)


def test_state_file_says_what_it_is(tmp_path):
    train(tiny(), tmp_path, epochs=1)
    state = json.loads((tmp_path / "step-0000000004" / STATE).read_text())
    assert state["step"] == 4 and state["seed"] == 0
    assert state["position"] == {"epoch": 1, "batch": 0, "data_epoch": 1, "first_epoch": 0, "epochs": 1}
    assert set(state["logs"]) == {"loss", "near", "embedding_std", "gradient_norm"}
    assert state["versions"]["backend"] == keras.backend.backend()
