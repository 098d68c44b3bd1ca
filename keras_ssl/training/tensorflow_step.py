"""The train step on TensorFlow: gradients by tape, replicas by tf.distribute."""

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from keras_ssl.data.device_batches import DeviceBatches, RowBatches, gather_rows
from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.training.gradient_norm import gradient_norm
from keras_ssl.typing import Logs, Tensor
from keras_ssl.views.view import View, to_unit_float
from keras_ssl.views.view_programs import ViewPrograms


def _replicas() -> int:
    context = tf.distribute.get_replica_context()
    return context.num_replicas_in_sync if context is not None else 1


def _reducible(logs: Logs) -> Logs:
    """Logs as vectors of one number where several processes train: Keras means them along their first axis there."""
    if not isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
        return logs
    return {name: tf.reshape(value, [1]) for name, value in logs.items()}


def _divided(batch: Any, parts: int) -> Any:
    """The equal parts of a batch, one after another, as tf.data."""
    shapes = tf.nest.map_structure(lambda array: tf.concat([[parts, -1], tf.shape(array)[1:]], axis=0), batch)
    return tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(tf.reshape, batch, shapes))


class TensorFlowStep:
    """The part of `SSLModel` that only TensorFlow has. See `SSLModel` for what each method promises."""

    _on_device: Any = None  # the data set on the device from whose inputs the step gathers its batch

    def train_step(self: Any, data: Any) -> Logs:
        batch = self._prepare(self._with_inputs(data), self.seed, tf.identity(self.step.value))
        replicas = _replicas()
        variables = self.trainable_variables
        with tf.GradientTape() as tape:
            embeddings = self._gather(self._embeddings(batch, training=True))
            loss, logs = self._objective(embeddings)
            # Every replica computes the loss of the whole global batch, so the gradient that comes back through the
            # gather is the sum of `replicas` equal ones.
            scaled = self.optimizer.scale_loss(loss / replicas)
        gradients = self._sum_over_replicas(tape.gradient(scaled, variables), replicas)
        norm, scale = gradient_norm(self.optimizer, gradients), self._loss_scale()
        before = tf.identity(tf.convert_to_tensor(self.optimizer.iterations))
        self.optimizer.apply(gradients, variables)
        updated = tf.not_equal(tf.convert_to_tensor(self.optimizer.iterations), before)
        logs = {**logs, **self._after_step(embeddings, updated)}
        self.step.assign_add(1)
        if self._watch is not None:
            self._watch.note(batch["x"], embeddings, logs, gradients, scale)
        return _reducible(self._record({**logs, "gradient_norm": norm}, embeddings))

    def test_step(self: Any, data: Any) -> Logs:
        batch = self._prepare(data, self._test_seed, tf.cast(self.test_scalars.steps.value, "int32"))
        embeddings = self._gather(self._embeddings(batch, training=False))
        _, logs = self._objective(embeddings)
        return _reducible(self._record(logs, embeddings))

    def make_probe(self: Any) -> Callable[[Any], tuple[Tensor, Tensor, list[Tensor | None]]]:
        """A function of a batch: the loss, the first embedding and the gradients that a training step would find.

        Nothing of the model changes. The batch's views may come ready-made, in any number and size. It is a program of
        its own, because operations one by one take far longer where a loss has loops.
        """

        def probe(data: Any) -> tuple[Tensor, Tensor, list[Tensor | None]]:
            with keras.StatelessScope(), tf.GradientTape() as tape:
                batch = self._prepare(data, self.seed, tf.zeros((), "int32"), check=False)
                embeddings = self._embeddings(batch, training=True)
                loss, _ = self._objective(embeddings)
            return loss, next(iter(embeddings.values())), tape.gradient(loss, self.trainable_variables)

        return tf.function(probe, autograph=False)

    def probe_views(self: Any, images: Tensor) -> list[Tensor]:
        """The views that the first step would make of a batch, in the range of the images; nothing is compiled."""
        return self._make_views(images, self.seed, tf.zeros((), "int32"), tf.range(len(images)))

    def _step_data(self: Any, data: Any) -> Any:
        """What `fit` reads: of inputs on the device only the numbers of the rows, as tf.data lives on the host."""
        if not isinstance(data, DeviceBatches):
            return data
        replicas = self.distribute_strategy.num_replicas_in_sync
        if replicas > 1:
            raise ValueError(
                "Data kept on a device serve that device only; replicas take batches from the host: leave "
                f"`on_device` away. Received: on_device=True with {replicas} replicas"
            )
        if self._on_device is not data:
            self._on_device = data
            self.train_function = None  # a step traced before holds the inputs that it gathered from
        return RowBatches(data)

    def _with_inputs(self: Any, data: Any) -> Any:
        """The batch with its inputs, where `_step_data` left them on the device."""
        if not isinstance(data, dict) or "rows" not in data:
            return data
        rest = {key: value for key, value in data.items() if key != "rows"}
        return {"x": gather_rows(self._on_device.resident, data["rows"]), **rest}

    def _positions(self: Any, count: Tensor) -> Tensor:
        """Each local sample's position in the global batch: the replicas hold it in order."""
        positions = tf.range(count)
        replicas = _replicas()
        if replicas == 1:
            return positions
        context = tf.distribute.get_replica_context()
        counts = context.all_gather(tf.reshape(count, [1]), axis=0)
        even = tf.debugging.assert_equal(
            counts,
            tf.fill(tf.shape(counts), count),
            message=f"The global batch must be a multiple of the {replicas} replicas. Received: parts of unequal size",
        )
        with tf.control_dependencies([] if even is None else [even]):
            return positions + count * context.replica_id_in_sync_group

    def _gather(self: Any, embeddings: dict[str, Tensor]) -> dict[str, Tensor]:
        replicas = _replicas()
        if replicas == 1:
            return embeddings
        # One matrix for each type: TensorFlow's gradient of a gather stacks what was gathered, so that parts of
        # different widths fail in it; and one collective takes less time than many.
        kinds: dict[Any, dict[str, Tensor]] = {}
        for name, local in embeddings.items():
            kinds.setdefault(local.dtype, {})[name] = local
        gathered = {}
        for parts in kinds.values():
            widths = [math.prod(local.shape[1:]) for local in parts.values()]
            rows = [tf.reshape(local, [-1, width]) for local, width in zip(parts.values(), widths, strict=True)]
            whole = tf.distribute.get_replica_context().all_gather(tf.concat(rows, axis=1), axis=0)
            for (name, local), matrix in zip(parts.items(), tf.split(whole, widths, axis=1), strict=True):
                count = None if local.shape[0] is None else local.shape[0] * replicas
                gathered[name] = tf.reshape(matrix, [-1, *local.shape[1:]])
                gathered[name].set_shape([count, *local.shape[1:]])  # the gather forgets what losses need to know
        return {name: gathered[name] for name in embeddings}

    def _sum_over_replicas(self: Any, gradients: list[Tensor | None], replicas: int) -> list[Tensor | None]:
        """Sums gradients over the replicas before the optimizer sees them.

        Keras' optimizer clips, and looks for infinities, before it sums: with W replicas it would clip W parts of a
        gradient instead of the gradient, and one replica could skip a step that another takes. So the sum comes
        first, and the optimizer's own is switched off.
        """
        if replicas == 1:
            return gradients
        optimizer = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        optimizer._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables
        present = [gradient for gradient in gradients if gradient is not None]
        summed = iter(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, present))
        return [None if gradient is None else next(summed) for gradient in gradients]

    def _call_views(self: Any, images: Tensor, seed: int, step: Tensor, positions: Tensor) -> list[Tensor]:
        """Makes views as XLA programs of their own where the step around them is not compiled.

        XLA fuses the view operations, which on a CPU makes them several times faster, while it slows convolutions
        there; and under a strategy it cannot compile a whole step at all.
        """
        compiled_apart = isinstance(self.views, View) and self.views.supports_jit
        if self.jit_compile is True or self.run_eagerly or not compiled_apart:
            return self._make_views(images, seed, step, positions)
        if self._view_programs is None:
            self._view_programs = ViewPrograms(self.views, lambda batch: to_unit_float(self._to_unit(batch)))
        return self._view_programs(images, seed, step, positions)

    def _maybe_symbolic_build(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        """Everything is built at construction and by `compile`; Keras would read a batch of the data to do it."""
        self._hand_batches(iterator)
        self._begin_epochs(iterator)

    def _hand_batches(self: Any, iterator: Any) -> None:
        """Gives the batches of a `PyDataset` to the replicas, by a tf.data that does not tune itself.

        There is nothing to tune but how many batches are read ahead. The end of an epoch would wait for the thread that
        tunes, sometimes for many seconds.
        """
        data = getattr(getattr(iterator, "data_adapter", None), "py_dataset", None)
        if data is None:
            return
        options = tf.data.Options()
        options.autotune.enabled = False
        batches = iterator.data_adapter.get_tf_dataset().with_options(options)
        if not isinstance(data, EpochBatches) or data.local_batch_size == data.batch_size:
            iterator._distributed_dataset = self.distribute_strategy.experimental_distribute_dataset(batches)
            return

        # Of every batch one process reads the part of its own replicas; Keras would divide it among those of all.
        def of_replicas(context: Any) -> Any:
            replicas = context.num_replicas_in_sync // context.num_input_pipelines
            return batches if replicas == 1 else batches.flat_map(lambda part: _divided(part, replicas))

        iterator._distributed_dataset = self.distribute_strategy.distribute_datasets_from_function(of_replicas)

    def _build_optimizer(self: Any) -> None:
        """Creates the optimizer's variables where the model's are: before the first trace, in the strategy's scope."""
        with self.distribute_strategy.scope():
            self.optimizer.build(self.trainable_variables)
