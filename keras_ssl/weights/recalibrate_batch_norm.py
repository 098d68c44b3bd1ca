"""Moving statistics of batch normalization for weights that were not trained where they are."""

from typing import Any

import keras
import numpy as np

from keras_ssl.training.backends import backend
from keras_ssl.weights.arrays import check_built, check_samples

__all__ = ["recalibrate_batch_norm"]


def recalibrate_batch_norm(model: keras.Model, inputs: Any, batch_size: int = 256) -> int:
    """Measures the moving statistics of a model's batch normalization anew, after its weights were set by hand.

    The mean over batches of their means and variances, each batch normalized by its own statistics, as in training;
    for a layer that a model calls more than once, the mean over its calls as well. Nothing else changes: other state
    that a training step moves is brought back.

    Args:
        model: a built Keras model.
        inputs: `[N, ...]` as the model takes them. A last batch that is not whole is left out, except of less than one.
        batch_size: of the batches. Defaults to 256.

    Returns:
        The number of layers that were measured; 0 where the model has no batch normalization that is not frozen.

    Raises:
        ValueError: if `model` is not built, `inputs` are not what it takes, there are no two samples, a statistic is
            not finite, or `batch_size` is no integer of at least 2. The model is then as it was.

    Example:

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.BatchNormalization()])
    >>> recalibrate_batch_norm(model, np.array([[1.0], [3.0]]))
    1
    >>> [float(weight[0]) for weight in model.layers[0].non_trainable_variables]
    [2.0, 1.0]
    """
    check_built("model", model)
    inputs = check_samples("inputs", model, inputs)
    if len(inputs) < 2:
        raise ValueError(f"`inputs` must hold two samples or more. Received: inputs.shape={inputs.shape}")
    if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 2:
        raise ValueError(f"`batch_size` must be an integer of at least 2. Received: batch_size={batch_size!r}")
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    layers = [layer for layer in layers if layer.trainable]  # a frozen one keeps what it has
    if not layers:
        return 0
    state = [variable for layer in layers for variable in (layer.moving_mean, layer.moving_variance)]
    kept = [(variable, keras.ops.convert_to_numpy(variable)) for variable in model.non_trainable_variables]
    momenta = [layer.momentum for layer in layers]
    sums = [np.zeros(variable.shape) for variable in state]
    batch_size = min(batch_size, len(inputs))
    starts = range(0, len(inputs) - batch_size + 1, batch_size)
    calls = [_Calls(layer) for layer in layers]

    def measured(batch: Any) -> Any:
        for each in calls:
            each.number = 0
        return model(batch, training=True)

    try:
        for layer, each in zip(layers, calls, strict=True):
            layer.call = each
        program = backend.stateful_program(model.variables, measured)
        for start in starts:
            program(keras.ops.convert_to_tensor(inputs[start : start + batch_size]))
            for total, variable in zip(sums, state, strict=True):
                total += keras.ops.convert_to_numpy(variable)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            if "call" in vars(layer):
                del layer.call
        for variable, value in kept:
            variable.assign(value)
    if not all(np.isfinite(total).all() for total in sums):
        raise ValueError("`inputs` must give finite statistics. Received: inputs that give NaN or infinity")
    for total, variable in zip(sums, state, strict=True):
        variable.assign(total / len(starts))
    return len(layers)


class _Calls:
    """The call of a layer whose statistics become the mean over its calls since `number` was 0."""

    def __init__(self, layer: keras.layers.BatchNormalization) -> None:
        self.layer, self.call, self.number = layer, layer.call, 0

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        self.layer.momentum = self.number / (self.number + 1)
        self.number += 1
        return self.call(*inputs, **options)
