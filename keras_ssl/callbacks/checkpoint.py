"""Checkpoints that hold everything, and runs that go on from them."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ssl.callbacks.background_writer import BackgroundWriter
from keras_ssl.callbacks.check_writable import check_writable
from keras_ssl.callbacks.checkpoint_folder import (
    SavedCheckpoint,
    best_checkpoint,
    checkpoint_path,
    latest_whole,
    read_checkpoint_state,
    remove_old_checkpoints,
    remove_staging,
    saved_checkpoints,
    set_aside,
    write_checkpoint,
)
from keras_ssl.callbacks.folder_lock import FolderLock
from keras_ssl.callbacks.restore_checkpoint import assign_checkpoint
from keras_ssl.callbacks.resume_error import ResumeError
from keras_ssl.callbacks.run_settings import SHOWN, changed, differences, run_settings
from keras_ssl.callbacks.signal_watch import SignalWatch
from keras_ssl.callbacks.training_state import host_copy, not_finite, state_variables
from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.losses.numeric import check_integer
from keras_ssl.messages import say, warn
from keras_ssl.paths import user_path
from keras_ssl.training import SSLModel
from keras_ssl.training.processes import Processes
from keras_ssl.training.resume import FitHook, Position, Run
from keras_ssl.typing import Logs

_NONE = -1  # in place of a step
_RATES = ("optimizer.learning_rate", "optimizer.inner_optimizer.config.learning_rate")
_CAUGHT = signal.valid_signals() - {getattr(signal, name, None) for name in ("SIGKILL", "SIGSTOP")}
_STEPPING, _BETWEEN, _EPOCH_IS_OVER = "stepping", "between", "epoch is over"


class Checkpoint(FitHook):
    """Saves a run as it goes, and goes on with it: the same `fit` in a new process resumes where the last one was.

    A checkpoint is everything that the next step depends on: weights, heads, teacher, queue, center, prototypes,
    optimizer, loss scale, seeds, the step, the place in the data, and the means that the epoch's logs have come to. On
    a CPU the resumed run equals the uninterrupted one bit for bit, logs and history included, wherever it was
    interrupted. It is the folder `step-0000001000`, and gets its name when all of it is on the disk: what has the name
    is whole. A thread writes it while training goes on. The latest is that with the highest number; there is nothing
    else that says so, and nothing that could be wrong.

    Where it resumes: at the step itself, for arrays and the data sets of this library. Of other data sets the batches
    that were trained on are read again and passed over, so that the run is the uninterrupted one if the data set gives
    the same batches each time it is read from the start (a tf.data shuffle with `reshuffle_each_iteration` does not
    after the first epoch). States of other callbacks (the patience of EarlyStopping) begin anew.

    Where it does not: if the objective, its encoder, the optimizer, or the data are not those of the run in the folder,
    `fit` raises an error that shows what changed. More `epochs` are no change. Of the data it compares size, order and
    a fingerprint: a hash of all samples of arrays up to 64 MiB and of some of larger ones; names, sizes and some
    contents of files; of tf.data the element spec and the batch size. `allow` names what may change: with
    `allow=("optimizer.learning_rate",)` the run goes on with another learning rate or schedule.

    A checkpoint carries hashes of all its bytes. One that is damaged is named in a warning and passed over for the one
    before. If none is whole, `fit` raises an error; it does not begin anew.

    A state with NaN or infinity is never saved: `fit` raises an error that names the first such tensor, and the last
    good checkpoint stays (`StopOnNaN` says more, and sooner). If the disk is full the checkpoints before stay, a
    warning says so, and training goes on: hours of it are worth more than an early end, and the next checkpoint may
    fit.

    Put it last: it keeps the logs that callbacks before it have added.

    Where several processes train one model (`tf.distribute.MultiWorkerMirroredStrategy`; `keras.distribution` after its
    `initialize`), give the callback to each of them, with the same folder, on a file system that they share. The first
    process writes; all go on from the checkpoint that it finds, and end only when the last one is written. A signal
    that reaches one of them ends all, after the same step. The number of processes or devices may change between the
    parts of a run: a checkpoint holds the state of one device with the whole batch.

    Args:
        folder: for the checkpoints of this run and no others; it is made where it is missing.
        every_epochs: epochs from one checkpoint to the next, or None for none. Defaults to 1. The last epoch of `fit`
            is always saved.
        every_steps: steps from one checkpoint to the next. Defaults to None: at ends of epochs only.
        keep: how many to keep; older ones are removed. Defaults to 2.
        best: a number in the logs of epochs, such as "knn_accuracy" or "val_loss"; the checkpoint of the epoch where it
            was best is kept too. Defaults to None.
        mode: "max" or "min", what is best. Defaults to "auto": "min" for names that end in "loss", otherwise "max".
        settings: further settings that must not change when the run is resumed, a dict of plain values.
        signals: signals on which to save and end the program, such as `(signal.SIGTERM, signal.SIGINT)`. Its exit
            code is then 128 and the signal's number, that of a program which the signal killed: 143 for SIGTERM, 130
            for SIGINT, which shells, SLURM and Kubernetes know. It takes the rest of a step and the time to write a
            checkpoint; at the end of an epoch no callback or evaluation is waited for. A second signal kills at once,
            as does one before the first step, when there is nothing to save. Python takes signals in its main thread
            only, so that `fit` must be called there. Defaults to none.
        allow: changes that are accepted when the run is resumed, as the error names them: `"optimizer.learning_rate"`
            is what stands there and all that is below. Defaults to none.

    Attributes:
        latest_path: the folder of the latest checkpoint that is whole, or None. Its bytes are read to find out.
        best_path: that of the best epoch, or None.

    Raises:
        ValueError: if an argument is out of range. In `fit`: if the data do not tell their length, or there are
            `signals` and it is not in the main thread; a `ResumeError`, which is one too, if the run cannot go on from
            what is in the folder.
        RuntimeError: in `fit`, if it cannot begin in another of the processes that train the model.

    Example:

    ```python
    checkpoint = keras_ssl.callbacks.Checkpoint("runs/1/checkpoints", every_steps=1000)
    model.fit(images, epochs=100, callbacks=[checkpoint])  # run it again after a crash
    ```
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        every_epochs: int | None = 1,
        every_steps: int | None = None,
        keep: int = 2,
        best: str | None = None,
        mode: str = "auto",
        settings: dict[str, Any] | None = None,
        signals: Iterable[signal.Signals] = (),
        allow: Iterable[str] = (),
    ) -> None:
        super().__init__()
        for name, value in (("every_epochs", every_epochs), ("every_steps", every_steps), ("keep", keep)):
            if value is not None or name == "keep":
                check_integer(name, value, 1)
        if mode not in ("auto", "min", "max"):
            raise ValueError(f'Argument `mode` must be "auto", "min" or "max". Received: mode={mode!r}')
        self.folder = Path(user_path(folder))
        self.every_epochs, self.every_steps, self.keep = every_epochs, every_steps, keep
        self.best = best
        self.mode = ("min" if (best or "").endswith("loss") else "max") if mode == "auto" else mode
        self.settings = settings
        self.signals = tuple(signals)
        if bad := [number for number in self.signals if number not in _CAUGHT]:
            raise ValueError(
                f"Argument `signals` must hold signals that can be caught. Received: signals with {bad[0]!r}"
            )
        if isinstance(allow, str):
            raise ValueError(f"Argument `allow` must be a tuple of strings. Received: allow={allow!r}")
        self.allow = tuple(allow)
        self._writer = BackgroundWriter()
        self._lock: FolderLock | None = None
        self._watch: SignalWatch | None = None

    @property
    def latest_path(self) -> Path | None:
        saved = latest_whole(self.folder)
        return None if saved is None else saved.path

    @property
    def best_path(self) -> Path | None:
        best = None
        if self.best is not None:
            best = best_checkpoint(saved_checkpoints(self.folder)[0], self.best, self.mode)
        return None if best is None else best.path

    # Before training -------------------------------------------------------------------------------------------

    def before_fit(self, model: SSLModel, run: Run) -> Position | None:
        if run.steps is None:
            raise ValueError(
                "A place in the data can be found again only if they tell their length: give `fit` `steps_per_epoch`, "
                f"or tf.data an `assert_cardinality`. Received: x of type {type(run.data).__name__}"
            )
        if self.signals and threading.current_thread() is not threading.main_thread():
            raise ValueError(
                "Python takes signals in its main thread only: call `fit` there, or leave `signals` out. "
                f"Received: signals={self.signals}, in the thread {threading.current_thread().name!r}"
            )
        self._processes = Processes(model)
        self._processes.together(self._claim_folder)
        self._run = run
        self._now = run_settings(model, run, self.settings)
        self._history: dict[str, Any] = {"epoch": [], "history": {}}
        self._scalars: dict[str, np.ndarray] | None = None
        self._pending: tuple[dict[str, np.ndarray], dict[str, Any]] | None = None
        self._phase = _BETWEEN
        self._first_epoch = run.initial_epoch
        self._best_value: float | None = None
        self._batch = 0
        found = self._processes.together(self._find_latest)
        step = self._processes.gather(_NONE if found is None else found.step)[0]
        position = None if step == _NONE else self._processes.together(lambda: self._resume(model, step, run))
        self._processes.together(self._clear_folder)
        saved, _ = saved_checkpoints(self.folder)
        if self.best is not None and (best := best_checkpoint(saved, self.best, self.mode)) is not None:
            self._best_value = best.state["logs"][self.best]
        self._variables = state_variables(model)
        return position

    def _claim_folder(self) -> None:
        self._damaged: list[SavedCheckpoint] = []
        if self._processes.is_chief:
            check_writable(self.folder)
            self._lock = FolderLock(self.folder)

    def _find_latest(self) -> SavedCheckpoint | None:
        """The latest checkpoint that is whole; those that are not are named. The other processes are told."""
        if not self._processes.is_chief:
            return None
        saved, broken = saved_checkpoints(self.folder)
        said = "This checkpoint is not whole, and passed over"
        for path in broken:
            warn(f"{said}: {path}")
        for one in reversed(saved):
            damage = one.damage()
            if damage is None:
                return one
            self._damaged.append(one)
            warn(f"{said}: {one.path} ({damage})")
        if saved or broken:
            raise ResumeError(
                "None of the checkpoints in this folder is whole, so the run cannot go on. Restore one from a copy, or "
                f"remove them all to begin anew. Received: folder={str(self.folder)!r} with "
                f"{len(saved) + len(broken)} damaged"
            )
        return None

    def _resume(self, model: SSLModel, step: int, run: Run) -> Position:
        saved = read_checkpoint_state(checkpoint_path(self.folder, step))
        if saved is None or (not self._processes.is_chief and saved.damage() is not None):
            raise ResumeError(
                f"The first process goes on from step {step}, whose checkpoint this one does not find: all need the "
                f"same folder, on a file system that they share. Received: folder={str(self.folder)!r}"
            )
        before, now = saved.state["settings"], self._now
        if "samples" not in before:  # version 0.1.0 did not look at them
            now = {name: table for name, table in now.items() if name != "samples"}
        if lines := differences(before, now, self.allow):
            more = [f"... and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
            names = tuple(line.partition(":")[0] for line in lines[:SHOWN])
            raise ResumeError(
                "The run in this folder was begun with other settings or data. Go on with the same, begin anew in "
                f"another folder, or accept the change by `Checkpoint(..., allow={names})`. What changed:\n  "
                + "\n  ".join(lines[:SHOWN] + more)
                + f"\nReceived: folder={str(self.folder)!r}"
            )
        assign_checkpoint(model, saved, new_rate=changed(before, now, _RATES))
        position = Position(**saved.state["position"])
        model.scalars.names = saved.state["scalar_names"]
        if position.batch:
            self._scalars = host_copy(_scalars(state_variables(model)))
        self._history = saved.state["history"]
        self._first_epoch = position.first_epoch
        self._batch = position.batch
        return position

    def _clear_folder(self) -> None:
        """Once the run is known to be the folder's: nothing is touched there before."""
        if self._processes.is_chief:
            remove_staging(self.folder)
            for one in self._damaged:
                set_aside(one)

    # While training --------------------------------------------------------------------------------------------

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._restore_history()
        if self._scalars is not None:  # Keras has set them back to nothing by now
            for name, variable in _scalars(self._variables).items():
                variable.assign(self._scalars[name])
            self._scalars = None
        else:
            self._batch = 0
        data = self._run.data
        self._epoch = epoch
        self._step = int(keras.ops.convert_to_numpy(self.model.step))
        self._data_epoch = data.epoch if isinstance(data, EpochBatches) else None

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        if self.signals and batch + self.model.steps_per_execution >= self.params["steps"]:
            # From now on until the epoch's end is dealt with, which may take long, this is what a signal saves.
            self._pending = self._snapshot(self._epoch, self._batch, {})
        self._phase = _STEPPING

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        before, self._step = self._step, self._step + batch + 1 - self._batch
        self._batch = batch + 1
        over = self._batch >= self.params["steps"]
        self._phase = _BETWEEN
        self._surface()
        received = self._agreed_signal()
        # From here on a process acts on a signal by itself, so not before all have been asked.
        self._phase = _EPOCH_IS_OVER if over else _BETWEEN
        if received or (over and self._own_signal()):
            if not over:
                self._pending = self._snapshot(self._epoch, self._batch, {})
            self._end(received or self._own_signal(), together=bool(received))
        if self.signals and self._watch is None:
            self._watch = SignalWatch(self.signals, self._on_signal)
        if self.every_steps and not over and self._step // self.every_steps > before // self.every_steps:
            self._save(*self._snapshot(self._epoch, self._batch, {}))

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = {name: float(value) for name, value in (logs or {}).items()}
        whole = self._batch >= self.params["steps"]
        if whole:
            self._history["epoch"].append(epoch)
            for name, value in logs.items():
                self._history["history"].setdefault(name, []).append(value)
        last = epoch + 1 >= self.params["epochs"] or self.model.stop_training
        due = self.every_epochs is not None and (epoch + 1) % self.every_epochs == 0
        due = self._is_best(logs) or last or due
        # What each process has measured for itself may differ in the last digit, and so may what is best.
        if self._processes.gather(int(due))[0]:
            self._save(*self._snapshot(epoch + 1, 0, logs) if whole else self._snapshot(epoch, self._batch, {}))
        self._pending = None
        self._phase = _BETWEEN

    def on_train_end(self, logs: Logs | None = None) -> None:
        self._restore_history()
        if received := self._agreed_signal():  # too late for a step to notice
            self._end(received, together=True)
        self._surface(wait=True)
        self._processes.gather(0)  # none ends before the first has written
        if self.best is not None and self.best_path is None:
            warn(f"No epoch has logged this number. Received: best={self.best!r}")

    def after_fit(self) -> None:
        if self._watch is not None:
            self._watch.restore()
            self._watch = None
        try:
            self._surface(wait=True)
        finally:
            self._pending = None
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    # Saving ----------------------------------------------------------------------------------------------------

    def _snapshot(self, epoch: int, batch: int, logs: Logs) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The state of the model, copied to the host, and what describes it."""
        data_epoch = None if self._data_epoch is None else self._data_epoch + epoch - self._epoch
        position = Position(epoch, batch, data_epoch, self._first_epoch, self._run.epochs)
        model = self.model  # on JAX this brings the variables up to date
        tensors = host_copy(self._variables)
        state = {
            "step": int(tensors["model/step"]),
            "seed": model.seed,
            "position": position.__dict__,
            "logs": logs,
            "history": {
                "epoch": list(self._history["epoch"]),
                "history": {name: list(values) for name, values in self._history["history"].items()},
            },
            "scalar_names": list(model.scalars.names),
            "settings": self._now,
            "versions": {"keras": keras.__version__, "backend": keras.backend.backend()},
            "saved": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        return tensors, state

    def _save(self, tensors: dict[str, np.ndarray], state: dict[str, Any]) -> None:
        self._surface(wait=True)
        self._writer.submit(lambda: self._write(tensors, state))

    def _write(self, tensors: dict[str, np.ndarray], state: dict[str, Any]) -> None:
        bad = not_finite(tensors)
        if bad:
            raise FloatingPointError(
                f"The state after step {state['step']} holds NaN or infinity and is not saved; the last good "
                f"checkpoint is {self.latest_path}. Received: {bad[0]} and {len(bad) - 1} other bad tensors"
            )
        if not self._processes.is_chief:
            return
        before = read_checkpoint_state(checkpoint_path(self.folder, state["step"]))
        if before is not None and before.damage() is None:
            return  # saved before: the same step is the same state
        try:
            write_checkpoint(self.folder, tensors, state)
        except OSError as error:
            raise OSError(
                error.errno,
                f"The checkpoint of step {state['step']} could not be written ({error.strerror}). Those before it "
                f"stay; the latest is {self.latest_path}",
            ) from error
        remove_old_checkpoints(self.folder, self.keep, self.best, self.mode)

    def _surface(self, wait: bool = False) -> None:
        """Brings to light what went wrong in the thread: the disk's faults as warnings, others as errors."""
        try:
            self._writer.wait() if wait else self._writer.check()
        except OSError as error:
            warn(f"{error.strerror or error}. Training goes on.")

    def _is_best(self, logs: Logs) -> bool:
        value = logs.get(self.best) if self.best is not None else None
        if value is None or not np.isfinite(value):
            return False
        sign = 1.0 if self.mode == "min" else -1.0
        if self._best_value is not None and sign * value >= sign * self._best_value:
            return False
        self._best_value = value
        return True

    def _restore_history(self) -> None:
        """Lets Keras' history, which begins empty, go on from that of the run's earlier parts."""
        history = self.model.history
        if self._history["epoch"] and not history.epoch:
            history.epoch = list(self._history["epoch"])
            history.history = {name: list(values) for name, values in self._history["history"].items()}

    # Signals ---------------------------------------------------------------------------------------------------

    def _on_signal(self, number: int) -> None:
        # Within a step, or between two, the state is saved when the step is over; the end of an epoch takes its time.
        if self._phase == _EPOCH_IS_OVER:
            self._end(number)

    def _own_signal(self) -> int:
        """The signal that this process has received; 0 for none."""
        return 0 if self._watch is None else self._watch.received or 0

    def _agreed_signal(self) -> int:
        """The signal that any of the processes has received; 0 for none."""
        return max(self._processes.gather(self._own_signal())) if self.signals else 0

    def _end(self, number: int, together: bool = False) -> None:
        """Saves what there is to save and ends the program; with `together`, after the other processes have saved."""
        name, failure = signal.Signals(number).name, None
        # To read the latest one's bytes would take of the time that a scheduler leaves.
        path = None if self._pending is None else checkpoint_path(self.folder, self._pending[1]["step"])
        try:
            self._writer.wait()
            if self._pending is not None:
                self._write(*self._pending)
        except (OSError, FloatingPointError) as error:
            failure = error
        if together:
            self._processes.gather(0)
        if failure is not None:
            sys.exit(f"{name}: {failure}")
        say(f"{name}: saved in {path or self.latest_path}; the same run goes on from there.", error=True)
        raise SystemExit(128 + number)


def _scalars(variables: dict[str, Any]) -> dict[str, Any]:
    return {name: variable for name, variable in variables.items() if name.startswith("scalars/")}
