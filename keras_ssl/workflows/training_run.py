"""A training run in a folder: recipe, logs, checkpoints, weights; it goes on where it was interrupted."""

import json
import math
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

import keras_ssl
from keras_ssl.callbacks.check_writable import check_writable
from keras_ssl.callbacks.checkpoint_folder import remove_checkpoints
from keras_ssl.callbacks.folder_lock import FolderLock
from keras_ssl.callbacks.online_evaluation import OnlineEvaluation
from keras_ssl.callbacks.write_guard import WriteGuard
from keras_ssl.hub import atomic_file
from keras_ssl.hub.read_run import RECIPE_NAME, RESULTS_NAME, RUN_WEIGHTS_NAME
from keras_ssl.hub.recipe import Recipe
from keras_ssl.messages import say
from keras_ssl.paths import user_path
from keras_ssl.precision import variable_bytes
from keras_ssl.random import permutation
from keras_ssl.training import SSLModel
from keras_ssl.training.batch import check_inputs

HISTORY_NAME = "history.json"
_SAMPLES = 1000  # shown in TensorBoard
_NAMED = 6  # classes in a message
_LONG = 120  # seconds, from which on it is said how long the training will take


class TrainingRun:
    """A training by a recipe, checked before anything is written.

    The folder gets recipe.toml, TensorBoard's files, checkpoints/, history.json, results.json and model.weights.h5. It
    belongs to one run at a time. A run that was interrupted goes on, at the step of its last checkpoint, when it is
    made and trained again.

    Args:
        recipe: what to train.
        logdir: the folder.
        data: a data set of `keras_ssl.data` in place of the recipe's. Defaults to None.
        model: an objective, not compiled, in place of the recipe's, around an encoder that no recipe can name: the
            folder gets no recipe.toml. Defaults to None.
        export: folder to export the encoder to, in the end. Defaults to None: none.
        knn_every: epochs between measurements of kNN accuracy, where the data have labels. Defaults to 1.
        doctor: whether to look for collapse and other faults. Defaults to True.
        checkpoint_steps: steps between checkpoints, beside those at the ends of epochs. Defaults to 1000.
        overwrite: whether to replace a finished run in the folder, and `export`. Defaults to False.
        allow: settings that may differ from those of the run that goes on.
        verbose: 0, 1 or 2, as for `fit`. Defaults to 1.
        most_batches: batches after which an epoch ends. Defaults to None: all.
        signals: on which a checkpoint is saved before the program ends, as for `Checkpoint`. Defaults to ().

    Raises:
        ValueError: if an argument does not suit, another run has the folder, or it holds a finished run.
    """

    def __init__(
        self,
        recipe: Recipe,
        logdir: str | os.PathLike[str],
        *,
        data: Any = None,
        model: SSLModel | None = None,
        export: str | os.PathLike[str] | None = None,
        knn_every: int = 1,
        doctor: bool = True,
        checkpoint_steps: int = 1000,
        overwrite: bool = False,
        allow: Sequence[str] = (),
        verbose: int = 1,
        most_batches: int | None = None,
        signals: Sequence[signal.Signals] = (),
    ) -> None:
        self.recipe, self.export_to, self.overwrite, self.verbose = recipe, export, overwrite, verbose
        self.batches, labelled = (data, None) if data is not None else recipe.build_data()
        if most_batches is not None:
            self.batches.shorten(min(most_batches, len(self.batches)))
        self.model = recipe.build_model() if model is None else model
        whole = self.batches.whole(0)
        first = whole["x"]
        if self.model.takes_columns:
            self.model.check_form(first)
        else:
            check_inputs(first, self.model.encoder.input_shape)
        optimizer = recipe.build_optimizer(len(self.batches), self.model)
        self.model.compile(optimizer, jit_compile=recipe.sections["training"]["jit_compile"])
        epochs = recipe.sections["training"]["epochs"]
        self.callbacks = [
            _TimeLeft(epochs),
            keras_ssl.callbacks.StopOnNaN(),
            *_measurements(labelled, self.batches.batch_size, knn_every, verbose),
        ]
        if doctor:
            self.callbacks.append(keras_ssl.callbacks.CollapseDoctor(whole))
        if export is not None:
            check_new_entry("export", export, overwrite)
        self.logdir = writable_folder("out", logdir)
        # Held until the training ends, however it ends; of a run that is never trained, until the program does.
        self._lock = FolderLock(writable_folder("out", self.logdir / "checkpoints"), shared=True)
        if is_finished(self.logdir):
            if not overwrite:
                raise ValueError(f"`out` holds a finished run; `overwrite` replaces it. Received: out={self.logdir}")
            _remove_run(self.logdir)
        sections = {name: table for name, table in recipe.sections.items() if model is None or name != "encoder"}
        self.checkpoint = keras_ssl.callbacks.Checkpoint(
            self.logdir / "checkpoints",
            every_steps=checkpoint_steps,
            best=None if labelled is None else "knn_accuracy",
            settings={"recipe": sections},
            signals=tuple(signals),
            allow=list(allow),
        )
        self.callbacks += [_tensorboard(self.logdir, sections, labelled, first), self.checkpoint]
        if model is None:
            # Not before `fit` has accepted the run: until then the recipe in the folder is that of its checkpoints.
            path = self.logdir / RECIPE_NAME
            self.callbacks.append(keras.callbacks.LambdaCallback(on_train_begin=lambda logs: recipe.write(path)))

    def train(self) -> dict[str, float]:
        """Trains to the end, writes what the run has come to, and returns it.

        Raises:
            ResumeError: if the run in the folder is another one.
            FloatingPointError: if the loss becomes NaN; the last good checkpoint stays.
            OSError: if the trained weights cannot be written.
        """
        try:
            return self._train()
        finally:
            self._lock.release()

    def _train(self) -> dict[str, float]:
        if (latest := self.checkpoint.latest_path) is not None:
            say(f"Going on from {latest}")
        start = time.perf_counter()
        epochs = self.recipe.sections["training"]["epochs"]
        history = self.model.fit(self.batches, epochs=epochs, callbacks=self.callbacks, verbose=self.verbose)
        results = {name: values[-1] for name, values in history.history.items()}
        results["seconds"] = time.perf_counter() - start
        self._write(results, _by_epoch(history, self.callbacks))
        return results

    def export(self, results: dict[str, float]) -> None:
        """Exports the encoder to the folder `export`, where one was given."""
        if self.export_to is None:
            return
        data = str(self.recipe.sections.get("data", {}).get("name", ""))
        keras_ssl.export(
            self.model, self.export_to, data=data, results=results, recipe=self.recipe, overwrite=self.overwrite
        )
        say(f"Exported to {self.export_to}: keras_ssl.load({os.fspath(self.export_to)!r})")

    def _write(self, results: dict[str, float], history: dict[str, list[float | None]]) -> None:
        """Writes results; the weights last, which make the run a finished one.

        The training is in its last checkpoint: where the weights cannot be written, the same run does it later.
        """
        guard = WriteGuard()
        for name, values in ((HISTORY_NAME, history), (RESULTS_NAME, results)):
            with guard.writing(self.logdir / name) as path:
                _write_json(path, values)
        path = self.logdir / RUN_WEIGHTS_NAME
        try:
            size = variable_bytes(self.model.weights)
            with atomic_file(path, room=size) as staging:
                self.model.save_weights(staging)
        except (OSError, RuntimeError) as error:  # h5py raises either for a full disk
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise OSError(
                f"the training is done, and its weights cannot be written: {path} ({reason}). Make room and run the "
                "same again: it goes on from the last checkpoint."
            ) from error


class _TimeLeft(keras.callbacks.Callback):
    """Says once how long the training will take, by its second epoch: the first one also compiles."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs, self._begun = epochs, list[float]()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self._begun.append(time.perf_counter())
        if len(self._begun) != 3:
            return
        seconds, left = self._begun[2] - self._begun[1], self._epochs - epoch
        if seconds * left > _LONG:
            say(
                f"An epoch takes {seconds:.0f} s: about {math.ceil(seconds * left / 60)} minutes for the other {left}. "
                "The run may be interrupted: the same command goes on. Fewer epochs and smaller images take less."
            )


def is_finished(logdir: str | os.PathLike[str]) -> bool:
    """Whether a folder holds a finished run."""
    return (Path(user_path(logdir)) / RUN_WEIGHTS_NAME).exists()


def writable_folder(argument: str, path: str | os.PathLike[str]) -> Path:
    """The folder, made where it is missing; an error that names the argument if nothing can be written there."""
    try:
        check_writable(path)
    except ValueError as error:
        raise ValueError(f"`{argument}`: {error}") from error
    return Path(user_path(path))


def check_absent(argument: str, path: str | os.PathLike[str], overwrite: bool) -> None:
    """Raises an error that names the argument if `path` exists and is not to be replaced."""
    if os.path.lexists(user_path(path)) and not overwrite:
        raise ValueError(
            f"`{argument}` exists already; `overwrite` replaces it. Received: {argument}={os.fspath(path)}"
        )


def check_new_entry(argument: str, path: str | os.PathLike[str], overwrite: bool) -> None:
    """Raises an error that names the argument if `keras_ssl.export` could not write to `path` later on."""
    check_absent(argument, path, overwrite)
    writable_folder(argument, Path(user_path(path)).absolute().parent)


def _remove_run(logdir: Path) -> None:
    """Removes what a finished run has left, its weights last: what is cut short is still a finished run."""
    remove_checkpoints(logdir / "checkpoints")
    for old in logdir.glob("events.out.tfevents.*"):
        old.unlink()  # or its curves would run into the new ones
    for name in (HISTORY_NAME, RESULTS_NAME, RUN_WEIGHTS_NAME):
        (logdir / name).unlink(missing_ok=True)


def _measurements(labelled: Any, batch_size: int, every: int, verbose: int) -> list[keras.callbacks.Callback]:
    """Throughput, and kNN accuracy where there are labels: of what is said, for folders may be no classes at all."""
    callbacks: list[keras.callbacks.Callback] = [keras_ssl.callbacks.Throughput(batch_size)]
    if labelled is None:
        if verbose:
            say("No labels, or too many images to hold in memory: kNN accuracy is not measured.")
        return callbacks
    if verbose and labelled.classes:
        shown = ", ".join(labelled.classes[:_NAMED]) + (", ..." if len(labelled.classes) > _NAMED else "")
        say(f"knn_accuracy is measured on {len(labelled.classes)} classes: {shown}")
    knn = keras_ssl.callbacks.OnlineKNN(labelled.x, labelled.y, labelled.x_test, labelled.y_test, every=every)
    return [knn, *callbacks]


def _tensorboard(logdir: Path, sections: dict[str, Any], labelled: Any, first: Any) -> keras.callbacks.Callback:
    """Curves, views, spectrum and projector of some samples: of the test part where there is one."""
    images, labels = first, None
    if isinstance(images, dict):  # a table has curves, and nothing to look at
        images = None
    elif labelled is not None:
        test = labelled.x_test is not None
        images, labels = (labelled.x_test, labelled.y_test) if test else (labelled.x, labelled.y)
        chosen = permutation(len(images), seed=0, epoch=0)[:_SAMPLES]
        images, labels = images[chosen], labels[chosen]
    return keras_ssl.callbacks.TensorBoard(logdir, images, labels, hparams=sections)


def _by_epoch(history: Any, callbacks: list[keras.callbacks.Callback]) -> dict[str, list[float | None]]:
    """What was logged, with None for epochs without an evaluation: a value's place in its list is its epoch."""
    every_epoch = dict(history.history)
    for callback in callbacks:
        if isinstance(callback, OnlineEvaluation):
            values = iter(every_epoch.get(callback.name, ()))
            every_epoch[callback.name] = [next(values, None) if callback.is_due(n) else None for n in history.epoch]
    return every_epoch


def _write_json(path: Path, values: Any) -> None:
    with atomic_file(path) as staging:
        staging.write_text(json.dumps(values, indent=2, default=float) + "\n", encoding="utf-8")
