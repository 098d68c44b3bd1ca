"""The sequence of a step, written once for both backends: prepare, embed, reduce, gradients, apply, after_step.

Everything here sees variables as if they could be assigned; on JAX the backend runs it in a `keras.StatelessScope`.
"""

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from keras_ssl.losses.numeric import as_float, l2_normalize
from keras_ssl.random import draw_from
from keras_ssl.training.batch import as_batch, is_views, sample_count
from keras_ssl.training.gradient_norm import gradient_norm
from keras_ssl.training.step import Step
from keras_ssl.training.terms import as_terms, local_sums
from keras_ssl.typing import Logs, Tensor

SCOPES = ("batch", "sample", "both")


@dataclass(frozen=True)
class Outcome:
    """What a forward pass found.

    Attributes:
        loss: the loss of the global batch, the same number on every replica.
        parts: scalars by name whose sum is differentiated: of this replica where it holds a part of the batch, so that
            the gradients, summed over replicas, are the loss's.
        logs: scalars to log, the loss first.
        embeddings: what `after_step` gets, of the global batch.
    """

    loss: Tensor
    parts: dict[str, Tensor]
    logs: Logs
    embeddings: dict[str, Tensor]


def train_step(model: Any, data: Any) -> Logs:
    """One training step; returns the running means of what is logged."""
    backend, optimizer = model.backend, model.optimizer
    batch, step = prepare(model, backend.with_inputs(model, data), training=True)
    outcome, gradients = model.gradients(batch, step)
    gradients = backend.sum_gradients(optimizer, gradients)
    norm, scale = gradient_norm(optimizer, gradients), loss_scale(optimizer)
    before = _read(optimizer.iterations)
    backend.apply(optimizer, gradients, model.trainable_variables)
    updated = keras.ops.not_equal(keras.ops.convert_to_tensor(optimizer.iterations), before)
    logs = {**outcome.logs, **(model.after_step(outcome.embeddings, updated, step) or {})}
    model.step.assign(model.step + 1)
    if model._watch is not None:
        model._watch.note(batch["x"], outcome.embeddings, logs, gradients, scale)
    return _record(model, {**logs, "gradient_norm": norm}, step)


def test_step(model: Any, data: Any) -> Logs:
    """One step of an evaluation; returns the running means of what is logged."""
    batch, step = prepare(model, data, training=False)
    return _record(model, forward(model, batch, step).logs, step)


def prepare(model: Any, data: Any, training: bool, check: bool = True) -> tuple[dict[str, Any], Step]:
    """The batch and the context of a step.

    Args:
        model: the model.
        data: what the data set gave.
        training: whether this is a step of training.
        check: whether inputs are compared with what the encoder takes. Defaults to True.

    Raises:
        ValueError: if the batch lacks a field, or does not fit the encoder.
    """
    batch = as_batch(data, model.batch_fields, model.takes_columns)
    # What a field declares: data sets hold labels as int64 and uint8, and weights as float64.
    batch |= {
        name: keras.ops.cast(batch[name], field.dtype) for name, field in model.batch_fields.items() if name in batch
    }
    if check:
        model.check_form(batch["x"])
    else:
        batch["finished"] = is_views(batch["x"])  # as the encoder takes them, whatever views the model has
    counter = model.step if training else model.test_scalars.steps
    step = Step(
        training=training,
        seed=model.seed if training else model.test_seed,
        index=keras.ops.cast(_read(counter), "int32"),
        position=model.backend.positions(sample_count(batch)),
        updates=keras.ops.cast(_read(model.updates), "int32"),
        total_updates=_read(model.total_updates),
    )
    return batch, step


def embed(model: Any, batch: dict[str, Any], step: Step) -> dict[str, Tensor]:
    """`model.embed` with floating tensors in float32: the precision of gathers and losses."""
    with draw_from(step.layer_stream()):
        embeddings = model.embed(batch, step)
    # A sample whose inputs lie outside of their range is NaN: compiled code cannot raise.
    images = () if batch.get("finished", False) else batch["x"]
    return {
        name: model.nan_outside(images, as_float(value)) if _is_float(value) else value
        for name, value in embeddings.items()
    }


def forward(model: Any, batch: dict[str, Any], step: Step) -> Outcome:
    """Embeds a batch and computes the loss of the global batch."""
    return reduce(model, embed(model, batch, step), step)


def reduce(model: Any, local: dict[str, Tensor], step: Step) -> Outcome:
    """The loss of the global batch from the embeddings of the local one."""
    backend, replicas = model.backend, model.backend.replicas()
    gathered = backend.gather({name: local[name] for name in model.gathered_names(local)})
    losses: list[Tensor] = []  # of the global batch
    shared: list[Tensor] = []  # the same on every replica, and differentiated as such
    parts: dict[str, Tensor] = {}
    logs: Logs = {}
    if model.scope != "sample":
        loss, logs = model.objective(gathered, step)
        losses.append(loss)
        shared.append(loss)
    if model.scope != "batch":
        terms = as_terms(model.sample_terms(local, step))
        sums = local_sums(terms)
        totals = backend.sum_over_replicas(sums)
        means = {}
        for place, (name, term) in enumerate(terms.items()):
            weight = keras.ops.maximum(totals[2 * place + 1], 1e-12)
            means[name] = totals[2 * place] / weight
            if not (isinstance(term.coefficient, int | float) and term.coefficient == 0):
                parts[name] = term.coefficient * sums[2 * place] / weight
                losses.append(term.coefficient * means[name])
        logs = {**logs, **means}
    penalties = [keras.ops.cast(penalty, "float32") for penalty in model.losses]
    if shared or penalties:
        # Every replica computes these as a whole, so the gradient that comes back through the gather is the sum of
        # as many equal ones.
        whole = functools.reduce(operator.add, [*shared, *penalties])
        parts = {"objective" if shared else "regularization": whole / replicas if replicas > 1 else whole, **parts}
    if not losses:
        raise ValueError(f"{type(model).__name__} must have a loss. Received: no term with a coefficient other than 0")
    loss = functools.reduce(operator.add, [*losses, *penalties])
    return Outcome(loss, parts, {"loss": loss, **logs, **_spread(model, local, gathered)}, gathered)


def loss_and_gradients(
    model: Any, batch: dict[str, Any], step: Step, at: Sequence[Tensor] | None = None
) -> tuple[Outcome, list[Tensor | None]]:
    """See `SSLModel.loss_and_gradients`."""

    def function() -> tuple[Tensor, Any]:
        outcome = forward(model, batch, step)
        total = functools.reduce(operator.add, outcome.parts.values())
        others = (outcome.loss, outcome.parts, outcome.logs, outcome.embeddings)
        return _scaled(model, total), others

    (_, others), gradients = model.backend.value_and_gradients(model, function, model.trainable_variables, at)
    return Outcome(*others), gradients


def loss_and_term_gradients(
    model: Any, batch: dict[str, Any], step: Step
) -> tuple[Outcome, dict[str, list[Tensor | None]]]:
    """See `SSLModel.loss_and_term_gradients`."""

    def function() -> tuple[dict[str, Tensor], Any]:
        outcome = forward(model, batch, step)
        scaled = {name: _scaled(model, part) for name, part in outcome.parts.items()}
        return scaled, (outcome.loss, outcome.parts, outcome.logs, outcome.embeddings)

    variables = model.trainable_variables
    (_, others), gradients = model.backend.gradients_of_terms(model, function, variables)
    return Outcome(*others), gradients


def loss_scale(optimizer: Any) -> Tensor | None:
    """What the step's loss is multiplied by, where the optimizer looks for infinite gradients and takes no step then;
    None for other optimizers."""
    if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return None
    return optimizer.scale_loss(keras.ops.ones((), "float32"))


def _scaled(model: Any, loss: Tensor) -> Tensor:
    optimizer = getattr(model, "optimizer", None)
    return loss if optimizer is None else optimizer.scale_loss(loss)


def _read(variable: Any) -> Tensor:
    """The value of a variable as it is now: a tensor that later assignments do not change."""
    return keras.ops.add(keras.ops.convert_to_tensor(variable), 0)


def _is_float(value: Tensor) -> bool:
    return "float" in keras.backend.standardize_dtype(value.dtype)


def _record(model: Any, logs: Logs, step: Step) -> Logs:
    """Adds a step's scalars to the running means, and returns the means."""
    count = keras.ops.shape(step.position)[0] * model.backend.replicas()
    model.metrics[0].update_state(logs, weight=count)
    return model.backend.reducible(model.get_metrics_result())


def _spread(model: Any, local: dict[str, Tensor], gathered: dict[str, Tensor]) -> Logs:
    """`embedding_std`: how far the directions of the monitored embedding spread, from 0 (one point) to about 1.

    `sqrt(D) * mean over dimensions of the standard deviation of the L2-normalized embeddings` (Chen & He, "Exploring
    Simple Siamese Representation Learning", CVPR 2021). The first sign of collapse, so every objective logs it.
    """
    name = next(iter(local)) if model.monitor is None and local else model.monitor
    if name not in local or len(local[name].shape) < 2:
        return {}
    ops, width = keras.ops, local[name].shape[-1]
    flat = ops.stop_gradient(ops.reshape(gathered.get(name, local[name]), (-1, width)))
    rows = l2_normalize(flat)
    if name in gathered or model.backend.replicas() == 1:
        return {"embedding_std": ops.mean(ops.std(rows, axis=0)) * float(width) ** 0.5}
    count = ops.cast(ops.shape(rows)[0], rows.dtype)
    count, sums, squares = model.backend.sum_over_replicas(
        [count, ops.sum(rows, axis=0), ops.sum(ops.square(rows), axis=0)]
    )
    variance = ops.maximum(squares / count - ops.square(sums / count), 0.0)
    return {"embedding_std": ops.mean(ops.sqrt(variance)) * float(width) ** 0.5}
