"""What `SSLModel` adds to Keras' `fit`: data in a fixed order, checks before any training, runs that go on."""

from contextlib import ExitStack
from typing import Any

import keras

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.from_arrays import from_arrays
from keras_ssl.losses.numeric import check_integer
from keras_ssl.training.accumulation import warn_of_accumulation
from keras_ssl.training.batch import as_arrays, as_batch, check_inputs, sample_count, split_arrays
from keras_ssl.training.processes import Processes
from keras_ssl.training.replicas import check_supported, replica_count
from keras_ssl.training.resume import FitHook, Position, Run, begin_at, check_position, data_length, fit_hooks

DEFAULT_BATCH_SIZE = 256


class Fitting(keras.Model):
    """The part of `SSLModel` that compiles, fits and evaluates. See `SSLModel` for what each method promises."""

    _begin: tuple[Position, Run] | None = None  # where a resumed run goes on

    def compile(self, optimizer: Any = "adam", **kwargs: Any) -> None:
        """Configures training. Takes what `keras.Model.compile` takes, except losses and metrics.

        Raises:
            ValueError: if a loss or metric is given: the objective is the loss, and it logs its own terms.
        """
        for name in ("loss", "loss_weights", "metrics", "weighted_metrics"):
            if kwargs.pop(name, None) is not None:
                raise ValueError(
                    f"`{name}` has no place here: {type(self).__name__} is itself the loss. Received: {name}"
                )
        super().compile(optimizer=optimizer, **kwargs)
        if not self.optimizer.built:
            self._build_optimizer()

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
    ) -> keras.callbacks.History:
        """Trains as `keras.Model.fit` does.

        Arrays are read in an order that is a pure function of the seed and the epoch; a last batch that is not full
        is left out of the epoch, because an objective of the whole batch means something else on a part of it. The
        number of updates planned (for schedules such as a teacher's momentum) is noted in `total_updates`.

        With an optimizer that has `gradient_accumulation_steps=k`, every k batches make one update; a warning says
        where that is not training on a batch k times as large (`accumulation_differences`).

        With `keras_ssl.callbacks.Checkpoint` among the callbacks an interrupted run goes on where it was, also in the
        middle of an epoch: the same call in a new process resumes by itself.

        Where several processes train one model (`tf.distribute.MultiWorkerMirroredStrategy`, `keras.distribution`)
        each calls `fit` with all of the data and the size of the global batch, and trains on its part of every batch.
        Of arrays and of this library's data sets it reads no more than that.

        Args:
            x: images `[N, H, W, C]`, uint8 or floating in [0, 1] (or what the encoder takes); a tuple of ready-made
                views; a dict with the keys x, y, index, group; or a data set of any of these.
            y: labels, for objectives and callbacks that use them.
            batch_size: size of the global batch. Defaults to 256, or all samples where there are fewer.
            shuffle: whether arrays are read in a new random order each epoch. Defaults to True.
            epochs, verbose, callbacks, validation_split, validation_data, initial_epoch, steps_per_epoch,
                validation_steps, validation_batch_size, validation_freq: as in Keras.

        Returns:
            The Keras `History`.

        Raises:
            ValueError: if the data does not fit the encoder or the objective, before any training.
        """
        self._assert_compile_called("fit")
        check_supported(self)
        warn_of_accumulation(self)
        epochs = check_integer("epochs", epochs, 1)
        arrays = as_arrays(x, y)
        if arrays is not None:
            if steps_per_epoch is not None:
                raise ValueError(
                    "An epoch of arrays is one pass over them: its order depends on nothing else. "
                    f"Received: steps_per_epoch={steps_per_epoch}"
                )
            if validation_split:
                arrays, validation_data = split_arrays(arrays, validation_split)
            x, y = self._dataset(arrays, batch_size, shuffle, initial_epoch), None
            batch_size = None
        elif y is not None or validation_split or batch_size is not None:
            raise ValueError(
                "`y`, `batch_size` and `validation_split` go with arrays; a data set holds its own labels and "
                f"batches. Received: x of type {type(x).__name__}, batch_size={batch_size}"
            )
        if validation_data is not None:
            self._check_evaluates()
            if validation_data is x and isinstance(x, EpochBatches):
                raise ValueError(
                    "Validation would move the training data on to other epochs: give it a data set of its own. "
                    f"Received: validation_data=x, of type {type(x).__name__}"
                )
        known_size = getattr(x, "batch_size", None)
        if known_size is not None:
            self.check_batch_size(int(known_size))
            self._batch_size = int(known_size)
        hooks = fit_hooks(callbacks)
        run = Run(x, epochs, initial_epoch, data_length(x, steps_per_epoch), steps_per_epoch is not None)
        with ExitStack() as at_end:
            for hook in hooks:
                at_end.callback(hook.after_fit)
            at_end.callback(self._forget_begin, x)
            position = self._restore(hooks, run)
            if position is None:
                self._plan(epochs - initial_epoch, run.steps)
            else:
                initial_epoch = position.epoch
                self._plan(epochs - position.epochs, run.steps, int(keras.ops.convert_to_numpy(self.total_updates)))
            return super().fit(
                x=self._step_data(self._local(x, at_end)),
                epochs=epochs,
                verbose=verbose,
                callbacks=callbacks,
                validation_data=validation_data,
                shuffle=False,
                initial_epoch=initial_epoch,
                steps_per_epoch=steps_per_epoch,
                validation_steps=validation_steps,
                validation_batch_size=validation_batch_size,
                validation_freq=validation_freq,
            )

    def evaluate(self, *args: Any, return_dict: bool = False, **kwargs: Any) -> Any:
        """The objective on held-out data, as `keras.Model.evaluate` (batch norm and dropout at rest).

        The views are the same at every call: they depend on the seed and the number of the batch.

        Returns:
            A dict where `return_dict` is set, else a list with the loss first.

        Raises:
            ValueError: on JAX, where several processes train the model.
        """
        self._check_evaluates()
        self._evaluating = True
        try:
            logs = super().evaluate(*args, return_dict=True, **kwargs)
        finally:
            self._evaluating = False
        return logs if return_dict else [logs.pop("loss"), *logs.values()]

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        if self._evaluating:
            return [self.test_scalars]
        return [self.scalars] if self._watch is None else [self.scalars, self._watch.flags]

    @property
    def metrics_names(self) -> list[str]:
        return list(self.metrics[0].names)

    # Planning --------------------------------------------------------------------------------------------------

    def _dataset(
        self, arrays: dict[str, Any], batch_size: int | None, shuffle: bool, epoch: int
    ) -> keras.utils.PyDataset:
        as_batch(arrays, self.required_keys if "index" not in self.required_keys else ())
        check_inputs(arrays["x"], self.encoder.input_shape)
        self.check_arrays(arrays)
        replicas = replica_count(self)
        if batch_size is None:
            batch_size = min(DEFAULT_BATCH_SIZE, sample_count(arrays) // replicas * replicas)
        return from_arrays(**arrays, batch_size=batch_size, seed=self.seed, shuffle=shuffle, epoch=epoch)

    def _local(self, data: Any, at_end: ExitStack) -> Any:
        """What Keras' `fit` is to be given of a data set: of this library's, the part of each batch that this process
        trains on."""
        processes = Processes(self)
        if processes.count == 1 or not isinstance(data, EpochBatches):
            return data
        if keras.backend.backend() == "jax":
            distribution = keras.distribution.distribution()
            at_end.callback(setattr, distribution, "auto_shard_dataset", distribution.auto_shard_dataset)
            distribution.auto_shard_dataset = False  # or Keras would refuse whatever is no tf.data
        data.take_part(processes.number, processes.count)
        at_end.callback(data.take_part, 0, 1)
        return data

    def _check_evaluates(self) -> None:
        """Refuses evaluations in which Keras would have every process hand over the whole batch."""
        count = Processes(self).count
        if count > 1 and keras.backend.backend() == "jax":
            raise ValueError(
                "An evaluation on JAX would count every sample once for each process: evaluate the weights of a "
                f"checkpoint in one process. Received: {count} processes"
            )

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
        self._begin = None
        if isinstance(data, EpochBatches):
            data.first_batch = 0

    def _begin_epochs(self, iterator: Any) -> None:
        """Called with Keras' iterator over the epochs of `fit`, and later with those of evaluations."""
        if self._begin is not None:
            begin_at(iterator, *self._begin)
            self._begin = None

    def _plan(self, epochs: int, steps: int | None, done: int | None = None) -> None:
        """Notes how many updates there will have been after `epochs` more; 0 where the data do not tell their length.

        `done` is the number planned before, if there is one: an interrupted run goes on with its plan.
        """
        inner: Any = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        every = inner.gradient_accumulation_steps or 1
        if done is None:
            done, epochs = int(keras.ops.convert_to_numpy(self.updates)), max(epochs, 0)
        self.total_updates.assign(0 if steps is None else done + epochs * steps // every)
