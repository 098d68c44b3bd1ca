"""The training step on TensorFlow: gradients by tape, replicas by tf.distribute."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_ssl.data.device_batches import DeviceBatches, RowBatches, gather_rows
from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.training import engine
from keras_ssl.training.backends.protocol import Scaled
from keras_ssl.training.batch import is_views
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor
from keras_ssl.views.after_crop import without_crops
from keras_ssl.views.view import View, to_unit_float
from keras_ssl.views.view_programs import ViewPrograms


class TensorFlowBackend:
    """`Backend` on TensorFlow. Variables hold the state; under a strategy every replica runs the step on its part."""

    def train_step(self, model: Any, data: Any) -> Logs:
        return engine.train_step(model, data)

    def test_step(self, model: Any, data: Any) -> Logs:
        return engine.test_step(model, data)

    def replicas(self) -> int:
        context = tf.distribute.get_replica_context()
        return context.num_replicas_in_sync if context is not None else 1

    def positions(self, count: Tensor) -> Tensor:
        positions = tf.range(count)
        replicas = self.replicas()
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

    def gather(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        replicas = self.replicas()
        if replicas == 1:
            return tensors
        # One matrix for each type: TensorFlow's gradient of a gather stacks what was gathered, so that parts of
        # different widths fail in it; and one collective takes less time than many.
        kinds: dict[Any, dict[str, Tensor]] = {}
        for name, local in tensors.items():
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
        return {name: gathered[name] for name in tensors}

    def sum_over_replicas(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        if self.replicas() == 1 or not tensors:
            return list(tensors)
        context = tf.distribute.get_replica_context()
        return list(context.all_reduce(tf.distribute.ReduceOp.SUM, [tf.stop_gradient(value) for value in tensors]))

    def value_and_gradients(
        self,
        model: Any,
        function: Callable[[], Scaled],
        variables: Sequence[Any],
        at: Sequence[Tensor] | None = None,
    ) -> tuple[Scaled, list[Tensor | None]]:
        if at is None:
            with tf.GradientTape() as tape:
                scaled, others = function()
            return (scaled, others), tape.gradient(scaled, list(variables))
        values = [tf.convert_to_tensor(value) for value in at]
        with tf.GradientTape() as tape, keras.StatelessScope(list(zip(variables, values, strict=True))):
            tape.watch(values)
            scaled, others = function()
        return (scaled, others), tape.gradient(scaled, values)

    def gradients_of_terms(
        self, model: Any, function: Callable[[], tuple[dict[str, Tensor], Any]], variables: Sequence[Any]
    ) -> tuple[tuple[dict[str, Tensor], Any], dict[str, list[Tensor | None]]]:
        with tf.GradientTape(persistent=True) as tape:
            terms, others = function()
        return (terms, others), {name: tape.gradient(term, list(variables)) for name, term in terms.items()}

    def sum_gradients(self, optimizer: Any, gradients: list[Tensor | None]) -> list[Tensor | None]:
        # Keras' optimizer clips, and looks for infinities, before it sums: with W replicas it would clip W parts of a
        # gradient instead of the gradient, and one replica could skip a step that another takes.
        if self.replicas() == 1:
            return gradients
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        inner._all_reduce_sum_gradients = lambda gradients_and_variables: gradients_and_variables
        present = [gradient for gradient in gradients if gradient is not None]
        summed = iter(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, present))
        return [None if gradient is None else next(summed) for gradient in gradients]

    def apply(self, optimizer: Any, gradients: list[Tensor | None], variables: Sequence[Any]) -> None:
        optimizer.apply(gradients, variables)

    def call_views(self, model: Any, images: Tensor, step: Step) -> list[Tensor]:
        # XLA fuses the view operations, which on a CPU makes them several times faster, while it slows convolutions
        # there; and under a strategy it cannot compile a whole step at all. So views are programs of their own.
        compiled_apart = isinstance(model.views, View) and model.views.supports_jit
        if model.jit_compile is True or model.run_eagerly or not compiled_apart:
            return model.call_views(images, step)
        crops = is_views(images)
        name = "_crop_programs" if crops else "_view_programs"
        if getattr(model, name) is None:
            views = without_crops(model.views) if crops else model.views
            setattr(model, name, ViewPrograms(views, lambda batch: to_unit_float(model._to_unit(batch))))
        return getattr(model, name)(images, step.seed, step.index, step.position)

    def reducible(self, logs: Logs) -> Logs:
        # Keras averages along the first axis where several processes train.
        if not isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
            return logs
        return {name: tf.reshape(value, [1]) for name, value in logs.items()}

    def program(self, model: Any, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        # A program of its own, because operations one by one take far longer where a loss has loops.
        def frozen(data: Any) -> Any:
            with keras.StatelessScope():
                return function(data)

        return tf.function(frozen, autograph=False)

    def stateful_program(self, variables: Sequence[Any], function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        return tf.function(function, autograph=False)

    def build_optimizer(self, model: Any) -> None:
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)

    def step_data(self, model: Any, data: Any) -> Any:
        """Of inputs on the device only the numbers of the rows, as tf.data lives on the host."""
        if not isinstance(data, DeviceBatches):
            return data
        replicas = model.distribute_strategy.num_replicas_in_sync
        if replicas > 1:
            raise ValueError(
                "Data kept on a device serve that device only; replicas take batches from the host: omit "
                f"`on_device`. Received: on_device=True with {replicas} replicas"
            )
        if model._on_device is not data:
            model._on_device = data
            model.train_function = None  # a step traced before holds the inputs that it gathered from
        return RowBatches(data)

    def with_inputs(self, model: Any, data: Any) -> Any:
        if model._on_device is None or not isinstance(data, dict) or "rows" not in data:
            return data
        rest = {key: value for key, value in data.items() if key != "rows"}
        return {"x": gather_rows(model._on_device.resident, data["rows"]), **rest}

    def before_epochs(self, model: Any, iterator: Any, data_batch: Any, build: Callable[..., None]) -> None:
        # Everything is built at construction and by `compile`; Keras would read a batch of the data to do it.
        self._hand_batches(model, iterator)
        spec = getattr(iterator._distributed_dataset, "element_spec", None)
        shapes = (part.shape for part in tf.nest.flatten(spec) if isinstance(part, tf.TensorSpec))
        model._data_shapes = tuple(None if shape.rank is None else tuple(shape[1:]) for shape in shapes)
        model._begin_epochs(iterator)

    def _hand_batches(self, model: Any, iterator: Any) -> None:
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
        strategy = model.distribute_strategy
        if not isinstance(data, EpochBatches) or data.local_batch_size == data.batch_size:
            iterator._distributed_dataset = strategy.experimental_distribute_dataset(batches)
            return

        # Of every batch one process reads the part of its own replicas; Keras would divide it among those of all.
        def of_replicas(context: Any) -> Any:
            replicas = context.num_replicas_in_sync // context.num_input_pipelines
            return batches if replicas == 1 else batches.flat_map(lambda part: _divided(part, replicas))

        iterator._distributed_dataset = strategy.distribute_datasets_from_function(of_replicas)


def _divided(batch: Any, parts: int) -> Any:
    """The equal parts of a batch, one after another, as tf.data."""
    shapes = tf.nest.map_structure(lambda array: tf.concat([[parts, -1], tf.shape(array)[1:]], axis=0), batch)
    return tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(tf.reshape, batch, shapes))
