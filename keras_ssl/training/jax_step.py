"""The train step on JAX: pure functions of the state, gradients by `jax.value_and_grad`."""

from collections.abc import Callable
from typing import Any

import jax
import keras

from keras_ssl.training.batch import as_batch
from keras_ssl.training.gradient_norm import gradient_norm
from keras_ssl.typing import Logs, Tensor


class JaxStep:
    """The part of `SSLModel` that only JAX has. See `SSLModel` for what each method promises.

    Under `keras.distribution.DataParallel` arrays are global, so nothing is gathered and nothing is scaled.
    """

    def train_step(self: Any, state: tuple[list[Tensor], ...], data: Any) -> tuple[Logs, tuple[list[Tensor], ...]]:
        trainable, non_trainable, optimizer_variables, metrics = state
        fixed = [
            *zip(self.non_trainable_variables, non_trainable, strict=True),
            *zip(self.optimizer.variables, optimizer_variables, strict=True),
        ]

        def loss_of(trainable: list[Tensor]) -> tuple[Tensor, Any]:
            mapping = [*zip(self.trainable_variables, trainable, strict=True), *fixed]
            with keras.StatelessScope(state_mapping=mapping) as scope:
                batch = self._prepare(data, self.seed, keras.ops.convert_to_tensor(self.step))
                embeddings = self._embeddings(batch, training=True)
                loss, logs = self._objective(embeddings)
                scaled = self.optimizer.scale_loss(loss)
                seen = keras.ops.convert_to_tensor(self.optimizer.iterations)
            after = [scope.get_current_value(v) for v in self.non_trainable_variables]
            return scaled, (logs, embeddings, after, seen)

        gradient = jax.value_and_grad(loss_of, has_aux=True)
        (_, (logs, embeddings, non_trainable, before)), gradients = gradient(trainable)
        with keras.StatelessScope(state_mapping=fixed):
            norm, scale = gradient_norm(self.optimizer, gradients), self._loss_scale()
        trainable, optimizer_variables = self.optimizer.stateless_apply(optimizer_variables, gradients, trainable)

        mapping = [
            *zip(self.trainable_variables, trainable, strict=True),
            *zip(self.non_trainable_variables, non_trainable, strict=True),
            *zip(self.optimizer.variables, optimizer_variables, strict=True),
            *zip(self.metrics_variables, metrics, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            updated = keras.ops.convert_to_tensor(self.optimizer.iterations) != before
            logs = {**logs, **self._after_step(embeddings, updated)}
            self.step.assign(self.step + 1)
            if self._watch is not None:
                self._watch.note(as_batch(data)["x"], embeddings, logs, gradients, scale)
            result = self._record({**logs, "gradient_norm": norm}, embeddings)
        non_trainable = [scope.get_current_value(v) for v in self.non_trainable_variables]
        metrics = [scope.get_current_value(v) for v in self.metrics_variables]
        return result, (trainable, non_trainable, optimizer_variables, metrics)

    def test_step(self: Any, state: tuple[list[Tensor], ...], data: Any) -> tuple[Logs, tuple[list[Tensor], ...]]:
        trainable, non_trainable, metrics = state
        mapping = [
            *zip(self.trainable_variables, trainable, strict=True),
            *zip(self.non_trainable_variables, non_trainable, strict=True),
            *zip(self.metrics_variables, metrics, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            step = keras.ops.cast(self.test_scalars.steps, "int32")
            embeddings = self._embeddings(self._prepare(data, self._test_seed, step), training=False)
            _, logs = self._objective(embeddings)
            result = self._record(logs, embeddings)
        non_trainable = [scope.get_current_value(v) for v in self.non_trainable_variables]
        metrics = [scope.get_current_value(v) for v in self.metrics_variables]
        return result, (trainable, non_trainable, metrics)

    def make_probe(self: Any) -> Callable[[Any], tuple[Tensor, Tensor, list[Tensor]]]:
        """A function of a batch: the loss, the first embedding and the gradients that a training step would find.

        Nothing of the model changes. The batch's views may come ready-made, in any number and size. It is compiled at
        the first call, as operations one by one take far longer.
        """

        def loss_of(trainable: list[Tensor], others: list[Tensor], data: Any) -> tuple[Tensor, Any]:
            mapping = [
                *zip(self.trainable_variables, trainable, strict=True),
                *zip(self.non_trainable_variables, others, strict=True),
            ]
            with keras.StatelessScope(state_mapping=mapping):
                batch = self._prepare(data, self.seed, jax.numpy.zeros((), "int32"), check=False)
                embeddings = self._embeddings(batch, training=True)
                loss, _ = self._objective(embeddings)
            return loss, next(iter(embeddings.values()))  # a dict would come back in another order

        program = jax.jit(jax.value_and_grad(loss_of, has_aux=True))

        def probe(data: Any) -> tuple[Tensor, Tensor, list[Tensor]]:
            values = ([v.value for v in group] for group in (self.trainable_variables, self.non_trainable_variables))
            (loss, embedding), gradients = program(*values, data)
            return loss, embedding, gradients

        return probe

    def probe_views(self: Any, images: Tensor) -> list[Tensor]:
        """The views that the first step would make of a batch, in the range of the images."""
        positions = jax.numpy.arange(len(images), dtype="int32")
        step = jax.numpy.zeros((), "int32")
        return jax.jit(lambda x: self._make_views(x, self.seed, step, positions))(images)

    def _symbolic_build(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        keras.Model._symbolic_build(self, iterator=iterator, data_batch=data_batch)
        self._begin_epochs(iterator)

    def _step_data(self: Any, data: Any) -> Any:
        """What `fit` reads: the data as they are, since batches on the device stay there."""
        return data

    def _gather(self: Any, embeddings: dict[str, Tensor]) -> dict[str, Tensor]:
        return embeddings

    def _positions(self: Any, count: int) -> Tensor:
        return keras.ops.arange(count, dtype="int32")

    def _call_views(self: Any, images: Tensor, seed: int, step: Tensor, positions: Tensor) -> list[Tensor]:
        return self._make_views(images, seed, step, positions)

    def _build_optimizer(self: Any) -> None:
        """Creates the optimizer's variables before the first trace."""
        self.optimizer.build(self.trainable_variables)
