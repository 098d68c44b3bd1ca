"""The plan of a training: how many updates it will have had, and what is scheduled by that."""

from typing import Any

import keras

from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.messages import warn
from keras_ssl.training.resume import Position, Run

_OVER, _SHORT = 1.02, 0.8  # shares of a schedule; rounding alone is not worth a warning


def plan(model: Any, run: Run, position: Position | None, total_epochs: int | None) -> None:
    """Notes in `total_updates` how many updates there will have been, 0 where that is not known; warns of schedules
    that do not fit it.

    Args:
        model: the objective, compiled.
        run: what `fit` is about to do.
        position: where an interrupted run goes on, or None. It goes on with its plan.
        total_epochs: epochs of the whole training, or None: it ends with this call.
    """
    if run.steps is None:
        model.total_updates.assign(0)
        return
    epoch, batch = (run.initial_epoch, 0) if position is None else (position.epoch, position.batch)
    end = batches_done(model) + max(run.epochs - epoch, 0) * run.steps - batch
    if total_epochs is not None:
        end = total_epochs * run.steps
    total = end // accumulated(model)
    if position is None:
        warn_of_ended_plan(model, total)
    elif total_epochs is None:  # a step that loss scaling has skipped is no update, and was planned all the same
        before = int(keras.ops.convert_to_numpy(model.total_updates))
        total = before + (run.epochs - position.epochs) * run.steps // accumulated(model)
    model.total_updates.assign(total)
    warn_of_schedule(model, end)


def accumulated(model: Any) -> int:
    """Batches of an update."""
    return int(inner_optimizer(model).gradient_accumulation_steps or 1)


def inner_optimizer(model: Any) -> Any:
    """The model's optimizer without its loss scaling."""
    return getattr(model.optimizer, "inner_optimizer", model.optimizer)


def batches_done(model: Any) -> int:
    """How many batches the optimizer has been given: what learning-rate schedules count."""
    return int(keras.ops.convert_to_numpy(inner_optimizer(model)._iterations))


def warn_of_ended_plan(model: Any, total: int) -> None:
    """Says so where a teacher's momentum has come to its end, and another call of `fit` makes a new plan for it."""
    before, done = (int(keras.ops.convert_to_numpy(value)) for value in (model.total_updates, model.updates))
    teachers = [layer for layer in model._flatten_layers(include_self=False) if isinstance(layer, EMATeacher)]
    scheduled = [layer for layer in teachers if layer.final_momentum not in (None, layer.momentum)]
    if scheduled and 0 < before <= done < total:
        warn(
            f"The teacher's momentum came to its end with the {before} updates planned before, and goes back for this "
            "call of `fit`. For one training in several calls, give each of them `total_epochs`, the epochs of all "
            "together.",
            stacklevel=4,
        )


def warn_of_schedule(model: Any, batches: int) -> None:
    """Warns once of an optimizer's learning-rate schedule that ends long before the training, or long after.

    Args:
        model: the objective, compiled.
        batches: how many batches the optimizer will have been given by the end, those before included.
    """
    optimizer = inner_optimizer(model)
    schedule = optimizer._learning_rate
    length = schedule_length(schedule)
    if length is None or getattr(model, "_warned_of", None) == id(optimizer):
        return
    if batches > _OVER * length + 1:
        rate = float(keras.ops.convert_to_numpy(schedule(length)))
        what = f"is over after {length} batches: from there on the rate is {rate:g}"
    elif batches < _SHORT * length - 1:
        what = f"takes {length} batches: the training ends at {batches / length:.0%} of it"
    else:
        return
    model._warned_of = id(optimizer)
    every = accumulated(model)
    counted = f", {every} of which make an update (schedules count batches)" if every > 1 else ""
    warn(
        f"The learning-rate schedule {what}, and the training has {batches} batches{counted}. Give both the same "
        "length; for one training in several calls of `fit`, give each `total_epochs`. Received: "
        f"learning_rate={type(schedule).__name__}",
        stacklevel=4,
    )


def schedule_length(schedule: Any) -> int | None:
    """After how many batches a learning-rate schedule has come to its end; None where it has none, or is not known."""
    schedules = keras.optimizers.schedules
    if isinstance(schedule, schedules.CosineDecay):
        return int(schedule.decay_steps + (schedule.warmup_steps or 0))
    if isinstance(schedule, schedules.PolynomialDecay):
        return None if schedule.cycle else int(schedule.decay_steps)
    total = getattr(schedule, "total_steps", None)
    return int(total) if isinstance(total, int | float) else None
