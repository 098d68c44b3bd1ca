"""The share of a network's units that still do something."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.interpretability.checks import as_numbers
from keras_ssl.evaluation.interpretability.recorded_outputs import recorded_outputs
from keras_ssl.typing import Tensor

__all__ = ["fraction_of_active_units", "relu_activations"]


def fraction_of_active_units(activations: Tensor | Sequence[Tensor], threshold: float = 0.0) -> float:
    r"""The share of units that fire on at least one sample: a measure of a network's plasticity.

    .. math:: \frac{1}{M} \sum_m [\max_n a_m(x_n) > t]

    over the M units of all layers together. A unit of a dense layer is a column; of a feature map, a channel, which
    fires if it does so at any place. A ReLU that never fires gets no gradient: it is dead. For ReLUs and `threshold` 0
    this is the paper's :math:`[E\, a_m(x) > 0]`.

    Args:
        activations: after the ReLU, `[N, D]` or `[N, ..., D]`; or a list of those, one for each layer, such as
            `relu_activations` gives.
        threshold: not negative. Defaults to 0.

    Returns:
        The share, 0 to 1.

    Raises:
        ValueError: if there are no activations, they have fewer than two axes or are not finite, or `threshold` is
            negative.

    Example:

    >>> fraction_of_active_units([[0.0, 2.0], [0.0, 0.0]])
    0.5

    Reference:
        Ma et al., "Revisiting Plasticity in Visual Reinforcement Learning: Data, Modules and Training Stages", ICLR
        2024.
    """
    threshold = check_number("threshold", threshold, 0.0)
    layers = _layers(activations)
    active = [(layer.reshape(-1, layer.shape[-1]) > threshold).any(axis=0) for layer in layers]
    return float(np.concatenate(active).mean())


def _layers(activations: Any) -> list[np.ndarray]:
    """The activations of each layer; a list of lists of numbers is one layer, of which each list is a sample."""
    one = not isinstance(activations, list | tuple)
    if not one and len(activations) and all(np.ndim(part) < 2 for part in activations):
        one = True
    layers = [as_numbers("activations", part) for part in ([activations] if one else activations)]
    if not layers or any(layer.ndim < 2 for layer in layers):
        shapes = [layer.shape for layer in layers]
        raise ValueError(f"`activations` must be [N, ..., D]. Received: activations of shapes {shapes}")
    return layers


def relu_activations(model: keras.Model, x: Any) -> list[np.ndarray]:
    """The outputs of all ReLUs of a model for a batch, those inside of nested models too.

    A ReLU is a `keras.layers.ReLU`, or a layer with the activation "relu". The model runs once, in inference mode and
    not compiled.

    Args:
        model: any built Keras model.
        x: inputs `[N, ...]`, all as one batch.

    Returns:
        An array `[N, ..., D]` for each call of a ReLU, in the order of the calls.

    Raises:
        ValueError: if the model has no ReLU.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(4, activation="relu")])
    >>> [layer.shape for layer in relu_activations(model, np.zeros((2, 3)))]
    [(2, 4)]
    """
    layers = [layer for layer in model._flatten_layers() if _is_relu(layer)]
    found = [output for _, output in recorded_outputs(model, layers, x)]
    if not found:
        raise ValueError(f"`model` must have a ReLU. Received: model={model.name!r}")
    return found


def _is_relu(layer: Any) -> bool:
    if isinstance(layer, keras.layers.ReLU):
        return True
    # Dense(activation="relu") and Activation("relu") both have the function; an activation may be a layer too.
    return getattr(layer, "activation", None) is keras.activations.relu
