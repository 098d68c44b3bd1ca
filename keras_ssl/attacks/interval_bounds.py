"""Bounds of a network's outputs for all inputs within a distance."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor

__all__ = ["interval_bounds"]

_MONOTONE = ("relu", "linear", "sigmoid", "tanh", "elu", "leaky_relu", "softplus", "relu6", "hard_tanh", "selu")


@dataclass
class Bounds:
    """What is known of a layer's outputs: a center and a radius each, and the outputs of the inputs themselves.

    The radius is not negative. `before_relu` holds the lower and upper bounds of what each ReLU was given so far.
    """

    center: Tensor
    radius: Tensor
    clean: Tensor
    before_relu: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    @property
    def lower(self) -> Tensor:
        return self.center - self.radius

    @property
    def upper(self) -> Tensor:
        return self.center + self.radius


def interval_bounds(
    model: keras.Model, x: Tensor, epsilon: float, value_range: tuple[float, float] | None = None
) -> tuple[Tensor, Tensor]:
    r"""Bounds of the outputs for all inputs that differ from `x` by at most `epsilon` in each entry.

    Interval bound propagation: a dense or convolutional layer gives the center :math:`W c + b` and the radius
    :math:`|W| r`, exactly; batch normalization (of moving statistics) scales both; a monotone activation is applied to
    both bounds. No input of the ball can leave the bounds, but they are the wider the deeper the network is.

    Args:
        model: a `Sequential`, or a functional model that is a chain, of Dense, Conv1D, Conv2D, Conv3D,
            BatchNormalization, ReLU and other monotone activations, Flatten, Reshape, pooling, ZeroPadding, Rescaling,
            Dropout and further chains; in inference mode.
        x: inputs `[N, ...]`, floating.
        epsilon: the distance, not negative.
        value_range: `(low, high)` of valid inputs, to which the ball is cut. Defaults to None: no cut.

    Returns:
        The lower and the upper bound, of the shape of the outputs.

    Raises:
        ValueError: if the model holds a layer that is not known, or an argument is out of range.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    >>> model.set_weights([np.array([[1.0], [-2.0]])])
    >>> lower, upper = interval_bounds(model, np.array([[1.0, 1.0]]), 0.5)
    >>> float(lower[0, 0]), float(upper[0, 0])
    (-2.5, 0.5)

    Reference:
        Gowal et al., "On the Effectiveness of Interval Bound Propagation for Training Verifiably Robust Models", 2018.
    """
    epsilon = check_epsilon(epsilon)
    bounds = propagate(chain(model), input_bounds(x, epsilon, check_range_of_values(value_range)), training=False)
    return bounds.lower, bounds.upper


def check_epsilon(epsilon: float) -> float:
    """`epsilon` as a float, or an error where it is negative or not finite."""
    if isinstance(epsilon, bool) or not 0 <= epsilon < float("inf"):
        raise ValueError(f"`epsilon` must be finite and not negative. Received: epsilon={epsilon}")
    return float(epsilon)


def check_range_of_values(value_range: Any) -> tuple[float, float] | None:
    """`(low, high)` as floats, None, or an error."""
    if value_range is None:
        return None
    values = np.asarray(value_range, np.float64)
    if values.shape != (2,) or not np.isfinite(values).all() or not values[0] < values[1]:
        raise ValueError(f"`value_range` must be None or (low, high). Received: value_range={value_range!r}")
    return float(values[0]), float(values[1])


def input_bounds(x: Tensor, epsilon: Tensor | float, value_range: tuple[float, float] | None) -> Bounds:
    """The ball around inputs."""
    x = keras.ops.cast(x, "float32")  # as the weights are
    epsilon = keras.ops.cast(epsilon, x.dtype)
    if value_range is None:
        return Bounds(x, keras.ops.ones_like(x) * epsilon, x)
    lower, upper = (keras.ops.clip(part, *value_range) for part in (x - epsilon, x + epsilon))
    return Bounds((lower + upper) / 2, (upper - lower) / 2, x)


def chain(model: Any) -> list[keras.layers.Layer]:
    """The layers of a model that is one chain, nested models taken apart.

    Raises:
        ValueError: if it is no chain.
    """
    if not isinstance(model, keras.Model) or not model.built:
        raise ValueError(f"`model` must be a built Keras model. Received: model={model!r}")
    if isinstance(model, keras.Sequential):
        layers = list(model.layers)
    elif hasattr(model, "_nodes_by_depth"):  # functional
        steps = sorted(model._nodes_by_depth.items(), reverse=True)
        single = all(len(nodes) == 1 and len(nodes[0].input_tensors) <= 1 for _, nodes in steps)
        if not single:
            raise ValueError(f"`model` must be a chain of layers. Received: model={model.name!r}, which branches")
        layers = [nodes[0].operation for _, nodes in steps]
    else:
        raise ValueError(
            f"`model` must be Sequential or functional. Received: model={model.name!r} of {type(model).__name__}"
        )
    parts: list[keras.layers.Layer] = []
    for layer in layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        parts += chain(layer) if isinstance(layer, keras.Model) else [layer]
    return parts


def propagate(layers: list[keras.layers.Layer], bounds: Bounds, training: bool) -> Bounds:
    """Bounds of the outputs of a chain. In training, batch normalization takes the statistics of the clean inputs."""
    for layer in layers:
        bounds = _step(layer, bounds, training)
    return bounds


def _step(layer: Any, bounds: Bounds, training: bool) -> Bounds:
    layers = keras.layers
    if isinstance(layer, layers.Dropout | layers.GaussianNoise):
        return bounds
    if isinstance(layer, layers.BatchNormalization):
        return _normalize(layer, bounds, training)
    if isinstance(layer, layers.Dense):
        return _activate(layer, _affine(bounds, lambda x, kernel: keras.ops.matmul(x, kernel), layer))
    convolutions = (layers.Conv1D, layers.Conv2D, layers.Conv3D)
    if type(layer) in convolutions and layer.data_format == "channels_last" and layer.padding != "causal":

        def convolve(x: Tensor, kernel: Tensor) -> Tensor:
            return keras.ops.conv(
                x, kernel, list(layer.strides), layer.padding, layer.data_format, list(layer.dilation_rate)
            )

        return _activate(layer, _affine(bounds, convolve, layer))
    if isinstance(layer, layers.Rescaling):
        return Bounds(layer(bounds.center), bounds.radius * abs(layer.scale), layer(bounds.clean), bounds.before_relu)
    if isinstance(layer, layers.ReLU | layers.LeakyReLU | layers.ELU):
        return _monotone(layer, bounds, isinstance(layer, layers.ReLU))
    if isinstance(layer, layers.Activation):
        return _activate(layer, bounds)
    linear = (layers.Flatten, layers.Reshape, layers.ZeroPadding1D, layers.ZeroPadding2D, layers.Identity)
    averages = (layers.AveragePooling2D, layers.GlobalAveragePooling2D, layers.AveragePooling1D)
    if isinstance(layer, linear + averages):
        return Bounds(layer(bounds.center), layer(bounds.radius), layer(bounds.clean), bounds.before_relu)
    if isinstance(layer, layers.MaxPooling2D | layers.GlobalMaxPooling2D | layers.MaxPooling1D):
        return _monotone(layer, bounds, False)
    raise ValueError(f"Bounds are not known for a {type(layer).__name__}. Received: model with layer {layer.name!r}")


def _affine(bounds: Bounds, multiply: Callable[[Tensor, Tensor], Tensor], layer: Any) -> Bounds:
    kernel = as_float(layer.kernel)
    bias = as_float(layer.bias) if layer.use_bias else 0.0
    return Bounds(
        multiply(bounds.center, kernel) + bias,
        multiply(bounds.radius, keras.ops.abs(kernel)),
        multiply(bounds.clean, kernel) + bias,
        bounds.before_relu,
    )


def _activate(layer: Any, bounds: Bounds) -> Bounds:
    activation = layer.activation
    name = getattr(activation, "__name__", type(activation).__name__)
    if activation is None or name == "linear":
        return bounds
    if name not in _MONOTONE and not isinstance(activation, keras.layers.ReLU):
        raise ValueError(f"Bounds are not known for the activation {name}. Received: model with layer {layer.name!r}")
    return _monotone(activation, bounds, name == "relu" or isinstance(activation, keras.layers.ReLU))


def _monotone(function: Callable[[Tensor], Tensor], bounds: Bounds, is_relu: bool) -> Bounds:
    lower, upper = function(bounds.lower), function(bounds.upper)
    before = [*bounds.before_relu, (bounds.lower, bounds.upper)] if is_relu else bounds.before_relu
    return Bounds((lower + upper) / 2, (upper - lower) / 2, function(bounds.clean), before)


def _normalize(layer: Any, bounds: Bounds, training: bool) -> Bounds:
    ops = keras.ops
    rank = len(bounds.center.shape)
    channels = layer.axis % rank
    axes = [axis for axis in range(rank) if axis != channels]
    if training and layer.trainable:
        mean, variance = ops.mean(bounds.clean, axis=axes), ops.var(bounds.clean, axis=axes)
    else:
        mean, variance = as_float(layer.moving_mean), as_float(layer.moving_variance)
    scale = ops.rsqrt(variance + layer.epsilon)
    if layer.scale:
        scale = scale * as_float(layer.gamma)
    shift = (as_float(layer.beta) if layer.center else 0.0) - mean * scale
    shape = [1] * rank
    shape[channels] = -1
    scale, shift = ops.reshape(scale, shape), ops.reshape(shift, shape)
    return Bounds(
        bounds.center * scale + shift,
        bounds.radius * ops.abs(scale),
        bounds.clean * scale + shift,
        bounds.before_relu,
    )
