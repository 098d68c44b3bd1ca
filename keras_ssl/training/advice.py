"""Where the arguments of an objective, often defaults that suit ImageNet, do not suit the run at hand."""

import math
from typing import Any

import keras

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.layers.state_layer import Plan
from keras_ssl.messages import warn

SLOW_UPDATE = 5e10
"""Floating-point operations that two cores of a CPU do in about a second."""


def warn_of_plan(model: Any, data: Any) -> None:
    """Warns, once for each argument, where an objective does not suit what `fit` is about to do.

    Args:
        model: the objective, its updates planned.
        data: the data set that `fit` reads.
    """
    size = getattr(data, "batch_size", None)
    plan = Plan(
        samples=data.count if isinstance(data, EpochBatches) else None,
        batch_size=None if size is None else int(size),
        updates=int(keras.ops.convert_to_numpy(model.total_updates)) or None,
    )
    for sentence in model.advice(plan):
        warn(f"{type(model).__name__}: {sentence}", stacklevel=3)


def layers_advice(model: Any, plan: Plan) -> list[str]:
    """The sentences of an objective's own layers, each once, and that on heads too wide for a CPU."""
    foreign = {id(layer) for layer in model.encoder._flatten_layers()}
    layers = [layer for layer in model._flatten_layers(include_self=False) if id(layer) not in foreign]
    found = [sentence for layer in layers if hasattr(layer, "advice") for sentence in layer.advice(plan)]
    if plan.batch_size is not None and on_cpu():
        heads = [
            layer for layer in model._flatten_layers(include_self=False, recursive=False) if layer.trainable_weights
        ]
        for head in heads:
            if id(head) not in foreign:
                found += head_advice(model, head, plan.batch_size)
    return list(dict.fromkeys(found))


def on_cpu() -> bool:
    """Whether the backend sees no accelerator."""
    return all(device.lower().startswith("cpu") for device in keras.distribution.list_devices())


def head_advice(model: Any, head: keras.layers.Layer, batch_size: int) -> list[str]:
    """What a head costs that is larger than the encoder, where that is more than about a second of a CPU per update."""
    count, views = head.count_params(), getattr(model, "number_of_views", model.view_count)
    # A multiplication and an addition for every weight, forward, and twice as much backward. The optimizer, which reads
    # and writes all of them several times, takes about as long as 64 inputs.
    operations = 6.0 * count * (batch_size * views + 64)
    if operations < SLOW_UPDATE or count < model.encoder.count_params():
        return []
    text = (
        f"`{head.name}` has {count / 1e6:.0f} million weights, more than the encoder, which cost about "
        f"{operations / SLOW_UPDATE:.0f} s of a CPU for every update, and no accelerator is there"
    )
    widths = head.widths if isinstance(head, MLPHead) else None
    if widths is None:
        return [f"{text}; a tenth of its width would suit."]
    affordable = count * SLOW_UPDATE / operations / len(widths)
    width = 2 ** int(math.log2(max(math.sqrt(affordable), 2.0)))
    fits = tuple(min(own, width) for own in widths)
    return [f"{text}; `{head.name}={fits}` would suit."]
