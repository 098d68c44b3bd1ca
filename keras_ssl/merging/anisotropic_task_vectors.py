"""Merging with coefficients that are learned, one for each expert and group of weights."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.check_numbers import check_numbers
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.merging.task_arithmetic import start_and_experts
from keras_ssl.training import functional
from keras_ssl.training.backends import backend
from keras_ssl.typing import Tensor
from keras_ssl.weights.arrays import check_built, check_samples
from keras_ssl.weights.assign_weights import assign_weights
from keras_ssl.weights.named_weights import named_weights
from keras_ssl.weights.weight_groups import weight_groups

__all__ = ["AnisotropicTaskVectors"]

Weights = Mapping[str, np.ndarray]
OBJECTIVES = ("cross_entropy", "entropy")


class AnisotropicTaskVectors:
    """Learns how much of each fine-tuning goes into each group of weights of a merged model.

    With the task vectors `tau_k = theta_k - theta_0`, each group `l` of weights is

        theta^(l) = theta_0^(l) + sum_k c[k, l] tau_k^(l),

    and the coefficients `c` alone are trained, by `step`: on labels with `objective="cross_entropy"`, without them with
    "entropy", the entropy of the predictions. The models themselves do not change. The loss is the sum over the batches
    that a step is given, of each its mean.

    Groups are those of trainable weights. Moving statistics of batch normalization take the mean coefficient of their
    layer's weights (of all, where it has none), and stay between the smallest and the largest of all models; measure
    them anew by `keras_ssl.weights.recalibrate_batch_norm` after `assign`. Other weights are those of the start.

    Args:
        model: the pretrained model, built. It gives logits `[N, K]`; or, with `heads`, features.
        experts: models that were fine-tuned from it, or their weights by name.
        heads: None, or for each expert's task a layer or function from features to logits, which is not merged.
            Defaults to None: the model's outputs are logits of all tasks. Weights that a function reads are those of
            the first step.
        by: what has a coefficient of its own for each expert: "tensor", "layer" or "model". Defaults to "tensor", the
            paper's block.
        objective: "cross_entropy" or "entropy". Defaults to "cross_entropy".
        initial: where the coefficients begin. Defaults to 0, which is the pretrained model.
        bounds: None, or the least and the largest coefficient, to which they are cut after each step. Defaults to None.
        optimizer: a Keras optimizer or its name. Defaults to None: Adam at a rate of 0.01.

    Attributes:
        coefficients: variable `[experts, groups]`, float32.
        groups: names of weights by group.

    Raises:
        ValueError: if the model is not built or gives no `[N, D]`, the experts have another structure, the number of
            heads is not that of the experts, or an argument is out of its range.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    >>> expert = {name: np.ones(w.shape, "float32") for name, w in keras_ssl.weights.named_weights(model).items()}
    >>> merge = AnisotropicTaskVectors(model, [expert])
    >>> tuple(merge.coefficients.shape), list(merge.groups)
    ((1, 2), ['dense_0/kernel', 'dense_0/bias'])
    >>> loss = merge.step([np.array([[1.0, 0.0]])], labels=[np.array([1])])

    Reference: Zhang et al., "Knowledge composition using task vectors with learned anisotropic scaling", NeurIPS 2024,
    https://arxiv.org/abs/2407.02880. The paper's optimizer is AdamW; ours is the caller's.
    """

    default_rate: ClassVar[float] = 0.01

    def __init__(
        self,
        model: keras.Model,
        experts: Sequence[keras.Model | Weights],
        heads: Sequence[Any] | None = None,
        by: str = "tensor",
        objective: str = "cross_entropy",
        initial: float = 0.0,
        bounds: tuple[float, float] | None = None,
        optimizer: Any = None,
    ) -> None:
        if objective not in OBJECTIVES:
            raise ValueError(f"`objective` must be one of {', '.join(OBJECTIVES)}. Received: objective={objective!r}")
        initial = check_number("initial", initial)
        if bounds is not None:
            bounds = _checked_bounds(bounds)
        if bounds is not None and not bounds[0] <= initial <= bounds[1]:
            raise ValueError(f"`initial` must lie in `bounds`. Received: initial={initial}, bounds={bounds}")
        check_built("model", model)
        self.start, *self.experts = start_and_experts("model", model, experts)
        if heads is not None and not (isinstance(heads, list | tuple) and all(callable(head) for head in heads)):
            raise ValueError(f"`heads` must be None or a list of layers or functions. Received: heads={heads!r}")
        if heads is not None and len(heads) != len(self.experts):
            raise ValueError(
                f"`heads` must hold one for each of {len(self.experts)} experts. Received: {len(heads)} heads"
            )
        shape = getattr(model, "output_shape", None)
        if not isinstance(shape, tuple) or len(shape) != 2:
            raise ValueError(f"`model` must give logits or features [N, D]. Received: output shape {shape}")
        for head in heads or ():
            if isinstance(head, keras.layers.Layer) and not head.built:
                head.build(shape)
        self.model, self.heads, self.objective, self.bounds = model, heads, objective, bounds
        variables = named_weights(model)
        trainable = {id(variable) for variable in model.trainable_variables}
        moved = [name for name, variable in variables.items() if id(variable) in trainable]
        if not moved:
            raise ValueError(f"`model` must have trainable weights. Received: model={model.name!r}")
        self.groups = weight_groups(moved, by)
        self._rows = _rows(variables, moved, self.groups)
        self._names = list(self._rows)
        self._variables = list(variables.values())
        self.coefficients = keras.Variable(
            np.full((len(self.experts), len(self.groups)), initial, "float32"), name="coefficients"
        )
        try:
            self.optimizer = keras.optimizers.get(optimizer or keras.optimizers.Adam(self.default_rate))
        except ValueError:
            raise ValueError(f"`optimizer` must be a Keras optimizer or its name. Received: {optimizer!r}") from None
        self.optimizer.build([self.coefficients])
        self._held = {
            name: [keras.ops.convert_to_tensor(np.asarray(weights[name], "float32")) for weights in self._sets()]
            for name in self._names
        }
        self._held |= {
            name: [keras.ops.convert_to_tensor(self.start[name], variable.dtype)]
            for name, variable in variables.items()
            if name not in self._rows
        }
        state = [self.coefficients, *self.optimizer.variables, *model.variables]
        self._program = backend.stateful_program(state, self._step)

    def step(self, batches: Sequence[Any], labels: Sequence[Any] | None = None) -> float:
        """Changes the coefficients by one gradient step.

        Args:
            batches: inputs `[N, ...]` of tasks: with `heads` one batch for each expert's task, else any number.
            labels: classes `[N]` of each batch, needed for "cross_entropy". Defaults to None.

        Returns:
            The loss before the step.

        Raises:
            ValueError: if the numbers of batches, heads and labels differ, labels are missing, or the loss is not
                finite; the coefficients are then as they were.
        """
        inputs = self._checked_batches(batches)
        classes: list[Tensor] = []
        if self.objective == "cross_entropy":
            if not isinstance(labels, list | tuple) or len(labels) != len(inputs):
                given = f"{len(labels)} arrays" if isinstance(labels, list | tuple) else type(labels).__name__
                raise ValueError(f"`labels` must hold one array for each of {len(inputs)} batches. Received: {given}")
            given_classes = [check_numbers("labels", each) for each in labels]
            for place, (batch, each) in enumerate(zip(inputs, given_classes, strict=True)):
                if each.shape != tuple(batch.shape[:1]):
                    raise ValueError(f"`labels` must be [N]. Received: {each.shape} for {tuple(batch.shape)}")
                count = self._classes(place)
                wrong = each[(each < 0) | (each % 1 != 0) | (each >= (count or np.inf))]
                if wrong.size:
                    raise ValueError(
                        f"`labels` must be classes from 0 on, below the number of logits. Received: {wrong[0]} in "
                        f"labels[{place}]" + (f" for {count} logits" if count else "")
                    )
            classes = [keras.ops.convert_to_tensor(each.astype("int32")) for each in given_classes]
        kept = [keras.ops.convert_to_numpy(v) for v in (self.coefficients, *self.optimizer.variables)]
        # Heads are data: the program sees them as they are, not as they were when it was compiled.
        heads = [[variable.value for variable in _variables_of(head)] for head in self.heads or ()]
        loss = float(self._program((inputs, classes, self._held, heads)))
        if not np.isfinite(loss):
            for variable, value in zip((self.coefficients, *self.optimizer.variables), kept, strict=True):
                variable.assign(value)
            raise ValueError(f"The loss of a batch must be finite. Received: loss={loss}")
        if self.bounds is not None:
            self.coefficients.assign(keras.ops.clip(self.coefficients, *self.bounds))
        return loss

    def merged_weights(self) -> dict[str, np.ndarray]:
        """The weights of the merged model, by name."""
        values = self._merged(keras.ops.convert_to_tensor(self.coefficients), self._held)
        values = [value for name, value in zip(self.start, values, strict=True) if name in self._rows]
        merged = {name: array.copy() for name, array in self.start.items()}
        for name, value in zip(self._names, values, strict=True):
            merged[name] = np.asarray(keras.ops.convert_to_numpy(value)).astype(merged[name].dtype)
        return merged

    def assign(self, model: keras.Model | None = None) -> keras.Model:
        """Gives a model of the same structure the merged weights, by default the pretrained one itself.

        The task vectors of this object stay what they were.
        """
        model = self.model if model is None else model
        assign_weights(model, self.merged_weights())
        return model

    def predict(self, x: Any, task: int | None = None) -> np.ndarray:
        """Logits `[N, K]` of the merged model; with `heads`, by that of `task`."""
        if (task is None) != (self.heads is None):
            raise ValueError(f"`task` must be given with `heads`, and only then. Received: task={task}")
        if self.heads is not None and task is not None:
            task = check_integer("task", task, 0, len(self.heads) - 1)
        inputs = keras.ops.convert_to_tensor(check_samples("x", self.model, x))
        values = self._merged(keras.ops.convert_to_tensor(self.coefficients), self._held)
        outputs = functional.apply(self.model, self._variables, values, inputs, training=False)
        if self.heads is not None and task is not None:
            outputs = self.heads[task](outputs)
        return np.asarray(keras.ops.convert_to_numpy(outputs))

    def _classes(self, place: int) -> int | None:
        """The number of logits of a batch, where it is known."""
        if self.heads is None:
            return self.model.output_shape[-1]
        shape = getattr(self.heads[place], "compute_output_shape", lambda shape: None)(self.model.output_shape)
        return None if shape is None else shape[-1]

    def _sets(self) -> list[Weights]:
        return [self.start, *self.experts]

    def _checked_batches(self, batches: Sequence[Any]) -> list[Tensor]:
        if not isinstance(batches, list | tuple) or not batches:
            raise ValueError(f"`batches` must be a list of arrays. Received: batches of type {type(batches).__name__}")
        if self.heads is not None and len(batches) != len(self.heads):
            raise ValueError(
                f"`batches` must hold one for each of {len(self.heads)} heads. Received: {len(batches)} batches"
            )
        inputs = [
            keras.ops.convert_to_tensor(check_samples(f"batches[{place}]", self.model, batch))
            for place, batch in enumerate(batches)
        ]
        for place, batch in enumerate(inputs):
            if not batch.shape[0]:
                raise ValueError(f"`batches` must hold samples. Received: batches[{place}] of shape {batch.shape}")
        return inputs

    def _merged(self, coefficients: Tensor, held: Mapping[str, Sequence[Tensor]]) -> list[Tensor]:
        """Values of all weights, in the order of the start's; those that are not merged are its own."""
        ops, values = keras.ops, []
        for name in self.start:
            start, *experts = held[name]
            if not experts:
                values.append(start)
                continue
            row, is_statistic = self._rows[name]
            value = start
            for k, expert in enumerate(experts):
                value = value + ops.sum(coefficients[k] * row) * (expert - start)
            if is_statistic:
                least, most = held[name][0], held[name][0]
                for expert in experts:
                    least, most = ops.minimum(least, expert), ops.maximum(most, expert)
                value = ops.clip(value, least, most)
            values.append(value)
        return values

    def _loss(self, inputs: Sequence[Tensor], classes: Sequence[Tensor], held: Any, heads: Any) -> Tensor:
        ops = keras.ops
        values = self._merged(ops.convert_to_tensor(self.coefficients), held)
        total = ops.zeros(())
        for place, batch in enumerate(inputs):
            logits = functional.apply(self.model, self._variables, values, batch, training=False)
            if self.heads is not None:
                head = self.heads[place]
                logits = functional.apply(head, _variables_of(head), heads[place], logits)
            if len(logits.shape) != 2:
                raise ValueError(f"`heads` must give logits [N, K]. Received: heads[{place}] gives {logits.shape}")
            log_p = ops.log_softmax(as_float(logits), axis=-1)
            if self.objective == "entropy":
                total = total - ops.mean(ops.sum(ops.exp(log_p) * log_p, axis=-1))
            else:
                chosen = ops.one_hot(classes[place], log_p.shape[-1], dtype=log_p.dtype)
                total = total - ops.mean(ops.sum(chosen * log_p, axis=-1))
        return total

    def _step(self, data: Any) -> Tensor:
        inputs, classes, held, heads = data
        (loss, _), gradients = backend.value_and_gradients(
            self.model, lambda: (self._loss(inputs, classes, held, heads), ()), [self.coefficients]
        )
        backend.apply(self.optimizer, gradients, [self.coefficients])
        return loss


def _rows(
    variables: Mapping[str, Any], moved: Sequence[str], groups: Mapping[str, Sequence[str]]
) -> dict[str, tuple[np.ndarray, bool]]:
    """For each weight that is merged the shares of the groups' coefficients that make its own, and if it is a
    moving statistic. Frozen weights are not merged, nor the statistics beside them."""
    place = {name: number for number, names in enumerate(groups.values()) for name in names}
    layers = weight_groups(moved, "layer")
    frozen = [name for name in variables if name not in place and not _is_statistic(name)]
    found = {}
    for name in variables:
        of = [name] if name in place else layers.get(name.rpartition("/")[0], moved)
        if name not in place and (not _is_statistic(name) or any(_beside(name, other) for other in frozen)):
            continue
        row = np.zeros(len(groups), "float32")
        for each in of:
            row[place[each]] += 1.0 / len(of)
        found[name] = row, name not in place
    return found


def _variables_of(head: Any) -> list[Any]:
    return head.variables if isinstance(head, keras.layers.Layer) else []


def _is_statistic(name: str) -> bool:
    return name.rpartition("/")[2] in ("moving_mean", "moving_variance")


def _beside(name: str, other: str) -> bool:
    """Whether two weights are of one layer."""
    return name.rpartition("/")[0] == other.rpartition("/")[0]


def _checked_bounds(bounds: Any) -> tuple[float, float]:
    if not isinstance(bounds, list | tuple) or len(bounds) != 2:
        raise ValueError(f"`bounds` must be None or two numbers. Received: bounds={bounds!r}")
    least, most = (check_number("bounds", bound) for bound in bounds)
    return least, most
