"""What `SSLModel` adds to Keras' `fit`: data in a fixed order, checks before any training, runs that go on."""

import os
from contextlib import ExitStack
from typing import Any

import keras
import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.from_arrays import from_arrays
from keras_ssl.data.ordered_inputs import OrderedInputs
from keras_ssl.losses.numeric import check_integer
from keras_ssl.messages import guarded_output
from keras_ssl.training.accumulation import warn_of_accumulation
from keras_ssl.training.advice import warn_of_plan
from keras_ssl.training.batch import as_arrays, as_batch, in_tuples, sample_count, split_arrays
from keras_ssl.training.check_data import check_crops, check_data
from keras_ssl.training.plan import plan
from keras_ssl.training.processes import Processes, others_watched
from keras_ssl.training.replicas import check_divisible, check_supported, replica_count, warn_of_local_statistics
from keras_ssl.training.resume import (
    FitHook,
    Position,
    Run,
    begin_at,
    check_finite_length,
    check_position,
    data_length,
    draw_crops,
    epochs_done,
    fit_hooks,
    follow_steps,
)

DEFAULT_BATCH_SIZE = 256
DEFAULT_EVALUATION_BATCH_SIZE = 32  # Keras'
_WEIGHTS = ("class_weight", "sample_weight")


class Fitting(keras.Model):
    """The part of `SSLModel` that compiles, fits and evaluates. See `SSLModel` for what each method promises."""

    _begin: tuple[Position, Run] | None = None  # where a resumed run goes on
    _fit_full_batches = False  # whether `fit` has checked the size that all of its batches have
    _followed: EpochBatches | None = None  # arrays whose order goes on with the model's steps
    _cropped: EpochBatches | None = None  # data whose random crops are those of the model's steps
    _data_shapes: tuple[Any, ...] = ()  # of a sample of the data at hand, where the backend traces steps for a shape
    _train_shapes: tuple[Any, ...] = ()  # of those that the traced step of training is for
    _test_shapes: tuple[Any, ...] = ()

    def compile(self, optimizer: Any = "adam", **kwargs: Any) -> None:
        """Configures training. Takes what `keras.Model.compile` takes, except losses and metrics.

        Raises:
            ValueError: if a loss or metric is given: the objective is the loss, and it logs its own terms.
        """
        for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            value = kwargs.pop(name, None)
            if value is not None:
                raise ValueError(
                    f"`{name}` has no place here: {type(self).__name__} is itself the loss. Received: {name}={value!r}"
                )
        super().compile(optimizer=optimizer, **kwargs)
        if not self.optimizer.built:
            self.backend.build_optimizer(self)

    def make_train_function(self, force: bool = False) -> Any:
        """As Keras makes it; anew where samples have another shape than before.

        TensorFlow would trace the step once more for images of unknown size, and views need to know it.
        """
        changed, self._train_shapes = self._train_shapes != self._data_shapes, self._data_shapes
        return super().make_train_function(force or changed)

    def make_test_function(self, force: bool = False) -> Any:
        """As `make_train_function`."""
        changed, self._test_shapes = self._test_shapes != self._data_shapes, self._data_shapes
        return super().make_test_function(force or changed)

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: int = 1,
        total_epochs: int | None = None,
        **unknown: Any,
    ) -> keras.callbacks.History:
        """Trains as `keras.Model.fit` does.

        Arrays are read in an order that is a pure function of the seed and the epoch; a last batch that is not full
        is left out of the epoch, because an objective of the whole batch means something else on a part of it. The
        number of updates planned (for schedules such as a teacher's momentum) is noted in `total_updates`. A warning
        says where the learning-rate schedule is much shorter than the training, or much longer.

        Several calls go on with one training: the order of arrays is that of the epochs done so far (`step` over the
        batches of an epoch), so that three calls of one epoch train on the same batches as one call of three. What is
        scheduled over the updates planned comes to its end with each call, unless `total_epochs` says how many epochs
        all calls have together: `[model.fit(x, total_epochs=3) for _ in range(3)]` equals `model.fit(x, epochs=3)`.

        With an optimizer that has `gradient_accumulation_steps=k`, every k batches make one update; a warning says
        where that is not training on a batch k times as large (`accumulation_differences`).

        Defaults are the papers', mostly those for ImageNet. A warning names every argument that does not suit the run,
        and a value that would: a queue that is never full, a teacher that hardly moves, steps of a warm-up that outlast
        the run, heads too wide for a CPU (see `advice`).

        With `keras_ssl.callbacks.Checkpoint` among the callbacks an interrupted run goes on where it was, also in the
        middle of an epoch: the same call in a new process resumes by itself.

        Where several processes train one model (`tf.distribute.MultiWorkerMirroredStrategy`, `keras.distribution`)
        each calls `fit` with all of the data and the size of the global batch, and trains on its part of every batch.
        Of arrays and of this library's data sets it reads no more than that. `evaluate` and `validation_data` divide
        their batches in the same way; on JAX they take nothing else there. A warning names batch norms of which, on
        TensorFlow, each replica would take the statistics of its own part.

        Args:
            x: images `[N, H, W, C]`, uint8, uint16 or floating in [0, 1], or in the model's `value_range` (or what
                the encoder takes); a tuple of ready-made views; a dict with the keys x, y, index, group; a table as a
                dict of columns `[N]`; or a data set of any of these. Values of arrays are checked before training, of
                data sets those of the first batch; later, a sample with values outside the range becomes NaN as a
                whole.
            y: labels, for objectives and callbacks that use them.
            batch_size: size of the global batch. Defaults to 256, or all samples where there are fewer.
            shuffle: whether arrays are read in a new random order each epoch. Defaults to True.
            steps_per_epoch: batches of an epoch. Of arrays at most those of one pass: every epoch then has the first
                batches of an order of its own. Defaults to None: all of the data.
            epochs, verbose, callbacks, validation_split, validation_data, initial_epoch, validation_steps,
                validation_batch_size, validation_freq: as in Keras. The last batch of a validation may be smaller than
                the others, but not a single sample.
            total_epochs: epochs of the whole training, from the model's first update on, where several calls of `fit`
                make it up. Defaults to None: the training ends with this call.

        Returns:
            The Keras `History`.

        Raises:
            ValueError: if the data does not fit the encoder or the objective, or never ends and there is no
                `steps_per_epoch`, before any training.
        """
        self._assert_compile_called("fit")
        _refuse_weights(self, "fit", unknown)
        check_supported(self)
        warn_of_accumulation(self)
        warn_of_local_statistics(self)
        epochs = check_integer("epochs", epochs, 1)
        if isinstance(x, str | os.PathLike):
            raise ValueError(
                "`x` must be arrays or a data set: `keras_ssl.data.from_folder(path, size=..., batch_size=...)` reads "
                f"a folder, and `keras_ssl.pretrain` takes its name. Received: x={x!r}"
            )
        x = in_tuples(x)
        if total_epochs is not None:
            check_integer("total_epochs", total_epochs, epochs)
        arrays, held_out = as_arrays(x, y, self.takes_columns), None
        if arrays is not None:
            if validation_split:
                arrays, held_out = split_arrays(arrays, validation_split)
            x, y = self._dataset(arrays, batch_size, shuffle, initial_epoch), None
            if steps_per_epoch is not None:
                x.shorten(steps_per_epoch)
            batch_size = steps_per_epoch = None
        elif y is not None or validation_split or batch_size is not None:
            raise ValueError(
                "`y`, `batch_size` and `validation_split` go with arrays; a data set holds its own labels and "
                f"batches. Received: x of type {type(x).__name__}, batch_size={batch_size}"
            )
        if validation_data is not None and validation_data is x and isinstance(x, EpochBatches):
            raise ValueError(
                "Validation would move the training data on to other epochs: give it a data set of its own. "
                f"Received: validation_data=x, of type {type(x).__name__}"
            )
        known_size = getattr(x, "batch_size", None)
        if held_out is None and validation_data is not None:
            held_out = as_arrays(*_inputs_and_labels(validation_data), self.takes_columns)
        if held_out is not None:
            validation_data = self._evaluation_dataset(held_out, validation_batch_size or known_size)
            validation_batch_size = None
        if known_size is not None:
            self.check_batch_size(int(known_size))
            self._batch_size = int(known_size)
        self._fit_full_batches = isinstance(x, EpochBatches) and x.drop_remainder
        if arrays is None:
            x = check_data(x, self, training=True)
            if isinstance(x, EpochBatches):
                check_crops(x, self)
                self._cropped = x
        if held_out is None and validation_data is not None:
            validation_data = check_data(validation_data, self)
            self._evaluate_crops(validation_data)
        hooks = fit_hooks(callbacks)
        run = Run(x, epochs, initial_epoch, data_length(x, steps_per_epoch), steps_per_epoch is not None)
        if validation_data is not None and validation_steps is None:
            check_finite_length(validation_data, "validation_steps")
        with ExitStack() as at_end:
            at_end.enter_context(guarded_output())
            at_end.enter_context(others_watched(self))
            for hook in hooks:
                at_end.callback(hook.after_fit)
            at_end.callback(self._forget_begin, x)
            position = self._restore(hooks, run)
            if position is not None:
                initial_epoch = position.epoch
            elif not int(keras.ops.convert_to_numpy(self.step)):
                self.before_first_step()
            plan(self, run, position, total_epochs)
            warn_of_plan(self, x)
            return super().fit(
                x=self.backend.step_data(self, self._local(x, at_end)),
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                validation_data=self._local(validation_data, at_end, evaluation=True),
                shuffle=False,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                validation_steps=validation_steps,
                validation_batch_size=validation_batch_size,
                validation_freq=validation_freq,
            )

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        *,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The objective on held-out data, as `keras.Model.evaluate` (batch norm and dropout at rest).

        The views are the same at every call: they depend on the seed and the number of the batch. The last batch may
        be smaller than the others, but not a single sample.

        Args:
            x, y: as in `fit`.
            batch_size: size of the global batch of arrays. Defaults to 32, as in Keras.
            verbose: as in Keras.
            return_dict: whether a dict is returned. Defaults to False.
            **kwargs: what else `keras.Model.evaluate` takes, by name.

        Returns:
            A dict where `return_dict` is set, else a list with the loss first.

        Raises:
            ValueError: if the data does not fit the encoder or the objective; on JAX, where several processes train
                the model, if it is neither arrays nor a data set of this library.
        """
        x = in_tuples(x)
        weights = {name: kwargs.pop(name) for name in _WEIGHTS if name in kwargs}
        _refuse_weights(self, "evaluate", weights)
        arrays = as_arrays(x, y, self.takes_columns)
        if arrays is not None:
            x, y, batch_size = self._evaluation_dataset(arrays, batch_size), None, None
        elif not kwargs.get("_use_cached_eval_dataset"):
            x = check_data(x, self)
            self._evaluate_crops(x)
        if kwargs.get("steps") is None:
            check_finite_length(x, "steps")
        self._evaluating = True
        with ExitStack() as at_end:
            at_end.enter_context(guarded_output())
            at_end.callback(setattr, self, "_evaluating", False)
            if not kwargs.get("_use_cached_eval_dataset"):  # what `fit` has divided already
                x = self._local(x, at_end, evaluation=True)
            logs = super().evaluate(x, y, batch_size, verbose, return_dict=True, **kwargs)
        return logs if return_dict else [logs.pop("loss"), *logs.values()]

    def predict(self, x: Any, batch_size: int | None = None, verbose: Any = "auto", **kwargs: Any) -> Any:
        """The encoder's features, as `keras.Model.predict`.

        Args:
            x: what Keras takes; or a data set of `keras_ssl.data`, every sample of which is taken once and in the order
                of its numbers, whatever it shuffles or drops in training.
            batch_size: samples in a batch. Defaults to 32 for arrays, as in Keras, and to that of a data set.
            verbose, **kwargs: as in Keras.

        Returns:
            Features `[N, D]`. A row is NaN where the image of a file cannot be decoded; a warning names the file.

        Raises:
            ValueError: if a sample of a data set has not one input.
        """
        if not isinstance(x, EpochBatches | OrderedInputs):
            return super().predict(check_data(x, self, inputs_only=True), batch_size, verbose, **kwargs)
        data = x.inputs(batch_size) if isinstance(x, EpochBatches) else x
        return data.without_undecoded(super().predict(data, verbose=verbose, **kwargs))

    def train_on_batch(self, x: Any, y: Any = None, *args: Any, **kwargs: Any) -> Any:
        """A step on one batch, as `keras.Model.train_on_batch`: its values are checked as those of `fit`."""
        batch = as_batch(x if y is None else (x, y), self.batch_fields, self.takes_columns)
        self.check_batch(batch)
        self.check_samples({name: value for name, value in batch.items() if name != "x"}, whole=False)
        return super().train_on_batch(x, y, *args, **kwargs)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        if self._evaluating:
            return [self.test_scalars]
        return [self.scalars] if self._watch is None else [self.scalars, self._watch.flags]

    @property
    def _whole_batches(self) -> bool:
        """Whether a batch is never the small rest of an epoch that trains the model."""
        return self._evaluating or self._fit_full_batches

    @property
    def metrics_names(self) -> list[str]:
        return list(self.metrics[0].names)

    # Planning --------------------------------------------------------------------------------------------------

    def _dataset(
        self, arrays: dict[str, Any], batch_size: int | None, shuffle: bool, epoch: int
    ) -> keras.utils.PyDataset:
        self._check_form(arrays)
        replicas = replica_count(self)
        if batch_size is None:
            batch_size = min(DEFAULT_BATCH_SIZE, sample_count(arrays) // replicas * replicas)
        data = from_arrays(
            **self._by_argument(arrays), batch_size=batch_size, seed=self.seed, shuffle=shuffle, epoch=epoch
        )
        check_data(data, self, training=True)
        # Calls of `fit` that follow one another go on with the order, whether or not they count their epochs.
        data.epoch = max(epoch, epochs_done(self, data))
        self._followed = data
        return data

    def _check_form(self, arrays: dict[str, Any]) -> None:
        # Sample numbers are made where there are none.
        as_batch(
            arrays, {name: field for name, field in self.batch_fields.items() if name != "index"}, self.takes_columns
        )
        self.check_form(arrays["x"])

    def _by_argument(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """Arrays by batch key as arguments of `from_arrays`: fields of an objective's own go into one, and so do labels
        that are more than a number each."""
        of_any_rank = {name for name, field in self.batch_fields.items() if field.shape}
        own = {
            name: value
            for name, value in arrays.items()
            if name not in ("x", "y", "index", "group") or name in of_any_rank
        }
        return {**{name: value for name, value in arrays.items() if name not in own}, "fields": own}

    def _evaluation_dataset(self, arrays: dict[str, Any], batch_size: int | None) -> keras.utils.PyDataset:
        self._check_form(arrays)
        data = from_arrays(
            **self._by_argument(arrays),
            batch_size=batch_size or DEFAULT_EVALUATION_BATCH_SIZE,
            seed=self.seed,
            shuffle=False,
            drop_remainder=False,
        )
        check_data(data, self)
        last = data.count % data.batch_size
        for size in {min(data.count, data.batch_size), last or data.batch_size}:
            check_divisible(size, replica_count(self))
        if last == 1:
            raise ValueError(
                "The last batch of an evaluation must hold at least two samples. "
                f"Received: {data.count} samples in batches of {data.batch_size}"
            )
        return data

    def _local(self, data: Any, at_end: ExitStack, evaluation: bool = False) -> Any:
        """What Keras' `fit` or `evaluate` is to be given of a data set: of this library's, the part of each batch that
        is this process's own.

        Raises:
            ValueError: on JAX, where an evaluation would count the samples of other data once for each process.
        """
        processes = Processes(self)
        if processes.count == 1 or data is None:
            return data
        on_jax = keras.backend.backend() == "jax"
        if not isinstance(data, EpochBatches):
            if evaluation and on_jax:
                raise ValueError(
                    "Where several processes train on JAX, the data of an evaluation must be arrays or a data set of "
                    f"keras_ssl, which each process can read its part of. Received: data of type {type(data).__name__}"
                )
            return data
        if on_jax:
            distribution = keras.distribution.distribution()
            at_end.callback(setattr, distribution, "auto_shard_dataset", distribution.auto_shard_dataset)
            distribution.auto_shard_dataset = False  # or Keras would refuse whatever is no tf.data
        data.take_part(processes.number, processes.count)
        at_end.callback(data.take_part, 0, 1)
        return data

    def _restore(self, hooks: list[FitHook], run: Run) -> Position | None:
        """What the callbacks do before training; where to go on from, if one of them has restored a run."""
        position = None
        for hook in hooks:
            position = hook.before_fit(self, run) or position
        if position is not None:
            check_position(self, position, run)
            if isinstance(run.data, EpochBatches) and position.data_epoch is not None:
                run.data.epoch = position.data_epoch
            self._begin = (position, run)
        return position

    def _forget_begin(self, data: Any) -> None:
        """Leaves nothing of a resumption that was cut short for the next `fit`."""
        self._begin = self._followed = self._cropped = None
        if isinstance(data, EpochBatches):
            data.first_batch = 0

    def _begin_epochs(self, iterator: Any) -> None:
        """Called with Keras' iterator over the epochs of `fit`, and later with those of evaluations."""
        if self._cropped is not None:
            draw_crops(iterator, self._cropped, self)
        if self._begin is not None:
            begin_at(iterator, *self._begin)
        elif self._followed is not None:
            follow_steps(iterator, self._followed, self)
        self._begin = self._followed = self._cropped = None

    def _evaluate_crops(self, data: Any) -> None:
        """Has a data set whose batches hold random crops draw them as an evaluation does."""
        if isinstance(data, EpochBatches):
            check_crops(data, self)
            data.follow(self.test_seed, None)


def _refuse_weights(model: Any, method: str, unknown: dict[str, Any]) -> None:
    """Raises where a method was given weights of samples or classes, or what it does not know."""
    for name, value in unknown.items():
        if name not in _WEIGHTS:
            raise TypeError(f"{type(model).__name__}.{method}() got an unexpected keyword argument {name!r}")
        if value is not None:
            raise ValueError(
                f"`{name}` has no place here: the loss of {type(model).__name__} compares views and samples, and is no "
                f"sum over labels. Give `fit` the samples in the proportions that they should have. "
                f"Received: {name}={value!r}"
            )


def _inputs_and_labels(data: Any) -> tuple[Any, Any]:
    """`validation_data` as `fit` takes its first two arguments; sample weights have no meaning here."""
    if isinstance(data, tuple | list):
        data = tuple(part for part in data if part is not None)
        if len(data) == 1:
            return data[0], None
        if len(data) == 2 and (isinstance(data[0], tuple | list | dict) or np.ndim(data[1]) < np.ndim(data[0])):
            return data
    return data, None
