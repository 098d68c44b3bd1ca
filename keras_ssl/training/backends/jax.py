"""The training step on JAX: a pure function of the state, which the engine sees as variables."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras

from keras_ssl.training import engine
from keras_ssl.training.backends.protocol import Scaled
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor

State = tuple[list[Tensor], ...]


class JaxBackend:
    """`Backend` on JAX. The step runs in a `keras.StatelessScope` of all variables, from which the new state is read.

    Under `keras.distribution.DataParallel` arrays are global, so nothing is gathered and nothing is summed.
    """

    def train_step(self, model: Any, state: State, data: Any) -> tuple[Logs, State]:
        groups = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
        return _stateless(lambda: engine.train_step(model, data), groups, state)

    def test_step(self, model: Any, state: State, data: Any) -> tuple[Logs, State]:
        groups = (model.trainable_variables, model.non_trainable_variables, model.metrics_variables)
        logs, (_, *changed) = _stateless(lambda: engine.test_step(model, data), groups, state)
        return logs, (state[0], *changed)

    def replicas(self) -> int:
        return 1

    def positions(self, count: Tensor) -> Tensor:
        return keras.ops.arange(count, dtype="int32")

    def gather(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        return tensors

    def sum_over_replicas(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        return list(tensors)

    def value_and_gradients(
        self,
        model: Any,
        function: Callable[[], Scaled],
        variables: Sequence[Any],
        at: Sequence[Tensor] | None = None,
    ) -> tuple[Scaled, list[Tensor | None]]:
        of_values = _pure(model, function, variables, keep_state=at is None)
        values = [variable.value for variable in variables] if at is None else list(at)
        (scaled, others), gradients = jax.value_and_grad(of_values.scalar, has_aux=True)(values)
        return (scaled, of_values.finish(others)), gradients

    def gradients_of_terms(
        self, model: Any, function: Callable[[], tuple[dict[str, Tensor], Any]], variables: Sequence[Any]
    ) -> tuple[tuple[dict[str, Tensor], Any], dict[str, list[Tensor | None]]]:
        of_values = _pure(model, function, variables, keep_state=True)
        values = [variable.value for variable in variables]
        terms, backward, others = jax.vjp(of_values.scalar, values, has_aux=True)
        zeros = {name: jax.numpy.zeros_like(term) for name, term in terms.items()}
        gradients = {name: backward({**zeros, name: jax.numpy.ones_like(term)})[0] for name, term in terms.items()}
        return (terms, of_values.finish(others)), gradients

    def sum_gradients(self, optimizer: Any, gradients: list[Tensor | None]) -> list[Tensor | None]:
        return gradients

    def apply(self, optimizer: Any, gradients: list[Tensor | None], variables: Sequence[Any]) -> None:
        # Dynamic loss scaling branches, and JAX takes no assignment out of a branch: so the values go in and come out.
        state = [variable.value for variable in optimizer.variables]
        updated, state = optimizer.stateless_apply(state, gradients, [variable.value for variable in variables])
        for variable, value in (*zip(variables, updated, strict=True), *zip(optimizer.variables, state, strict=True)):
            variable.assign(value)

    def call_views(self, model: Any, images: Tensor, step: Step) -> list[Tensor]:
        return model.call_views(images, step)

    def reducible(self, logs: Logs) -> Logs:
        return logs

    def program(self, model: Any, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def of_values(values: list[Tensor], data: Any) -> Any:
            with keras.StatelessScope(list(zip(model.variables, values, strict=True))):
                return function(data)

        compiled = jax.jit(of_values)
        return lambda data: compiled([variable.value for variable in model.variables], data)

    def stateful_program(self, variables: Sequence[Any], function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        compiled = jax.jit(lambda values, data: _stateless(lambda: function(data), (list(variables),), (values,)))

        def run(data: Any) -> Any:
            result, (values,) = compiled([variable.value for variable in variables], data)
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            return result

        return run

    def build_optimizer(self, model: Any) -> None:
        model.optimizer.build(model.trainable_variables)

    def step_data(self, model: Any, data: Any) -> Any:
        return data

    def with_inputs(self, model: Any, data: Any) -> Any:
        return data

    def before_epochs(self, model: Any, iterator: Any, data_batch: Any, build: Callable[..., None]) -> None:
        build(iterator=iterator, data_batch=data_batch)
        model._begin_epochs(iterator)


def _stateless(function: Callable[[], Any], groups: Sequence[list[Any]], state: State) -> tuple[Any, State]:
    """`function()`, seeing variables at the values of `state`, and the values that it leaves."""
    pairs = [pair for group, values in zip(groups, state, strict=True) for pair in zip(group, values, strict=True)]
    with keras.StatelessScope(state_mapping=pairs) as scope:
        result = function()
    return result, tuple([scope.get_current_value(variable) for variable in group] for group in groups)


class _pure:
    """A function of variables as a function of their values, for JAX to differentiate.

    What it assigns (moving statistics) comes out of `scalar` beside the result, and `finish` assigns it outside, where
    `keep_state` says so.
    """

    def __init__(self, model: Any, function: Callable[[], Any], variables: Sequence[Any], keep_state: bool) -> None:
        self.function = function
        self.variables = list(variables)
        own = {id(variable) for variable in self.variables}
        optimizer = getattr(model, "optimizer", None)
        known = {id(v): v for v in (*model.variables, *(() if optimizer is None else optimizer.variables))}
        self.fixed = [(variable, variable.value) for key, variable in known.items() if key not in own]
        self.state = [v for v in model.non_trainable_variables if id(v) not in own] if keep_state else []
        self.names: Any = None

    def scalar(self, values: list[Tensor]) -> tuple[Any, Any]:
        mapping = [*zip(self.variables, values, strict=True), *self.fixed]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            scaled, others = self.function()
        # JAX would sort the keys of a dict; the structure is kept here, and only its leaves pass.
        leaves, self.names = _flattened(others)
        return scaled, (leaves, [scope.get_current_value(variable) for variable in self.state])

    def finish(self, others: tuple[list[Tensor], list[Tensor]]) -> Any:
        leaves, state = others
        for variable, value in zip(self.state, state, strict=True):
            variable.assign(value)
        return _restored(self.names, iter(leaves))


def _flattened(tree: Any) -> tuple[list[Tensor], Any]:
    """The leaves of nested dicts, tuples and lists in their own order, and what `_restored` needs."""
    if isinstance(tree, dict):
        parts = [(key, _flattened(value)) for key, value in tree.items()]
        return [leaf for _, (leaves, _) in parts for leaf in leaves], (
            dict,
            [(key, names) for key, (_, names) in parts],
        )
    if isinstance(tree, tuple | list):
        items = [_flattened(value) for value in tree]
        return [leaf for leaves, _ in items for leaf in leaves], (tuple, [names for _, names in items])
    return [tree], None


def _restored(names: Any, leaves: Any) -> Any:
    if names is None:
        return next(leaves)
    kind, parts = names
    if kind is dict:
        return {key: _restored(part, leaves) for key, part in parts}
    return tuple(_restored(part, leaves) for part in parts)
