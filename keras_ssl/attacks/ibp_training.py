"""Training of classifiers whose robustness is proved."""

from typing import Any

import keras
import numpy as np

from keras_ssl.attacks.bound_regularization import bound_regularization
from keras_ssl.attacks.interval_bounds import (
    Bounds,
    chain,
    check_epsilon,
    check_range_of_values,
    input_bounds,
    propagate,
)
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.typing import Tensor

__all__ = ["IBPTraining", "verified_error"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class IBPTraining(keras.Model):
    r"""Trains a classifier so that no change of an input within `epsilon` can change its class, with a proof.

    The loss is the cross-entropy of the worst logits that `interval_bounds` cannot rule out: with the upper bounds
    :math:`m_j` of the margins :math:`z_j - z_y` over the ball (bounded through the last dense layer as one, which is
    tighter than the bounds of the logits), it is :math:`\log(1 + \sum_{j \ne y} e^{m_j})`. With `epsilon` 0 that is the
    usual cross-entropy.

    The distance is 0 for `warmup_steps`, then grows linearly over `ramp_steps` to `epsilon`. Meanwhile
    `regularization * (1 - distance / epsilon)` times both penalties of `bound_regularization` is added. The paper's
    further parts belong into the network: `IBPInitializer`, and batch normalization after every layer, whose statistics
    in training are those of the inputs themselves.

    `fit`, `evaluate` and `predict` work as for the network. Logged: `loss`, `robust_loss`, `verified_error` (the share
    of samples with a margin that may be above 0) and `distance`; an evaluation takes the full distance, and has no
    penalties. Labels are class numbers.

    Args:
        network: a built chain of layers (see `interval_bounds`) that ends in logits `[N, K]`.
        epsilon: the distance to prove, in each entry of an input, not negative.
        ramp_steps: steps in which the distance grows. Defaults to 1000.
        warmup_steps: steps before. Defaults to 0.
        regularization: of the penalties, not negative. Defaults to 0.5, the paper's.
        tolerance: of the penalties. Defaults to 0.5, the paper's.
        value_range: `(low, high)` of valid inputs. Defaults to `(0, 1)`; None is any.

    Raises:
        ValueError: if the network is no chain of known layers or gives no logits, or an argument is out of range.

    Example:

    ```python
    layers = [keras.layers.Input((64,))]
    for width in (64, 64):
        layers += [keras.layers.Dense(width, kernel_initializer=keras_ssl.attacks.IBPInitializer())]
        layers += [keras.layers.BatchNormalization(), keras.layers.ReLU()]
    network = keras.Sequential([*layers, keras.layers.Dense(10)])
    model = keras_ssl.attacks.IBPTraining(network, epsilon=0.1, ramp_steps=500)
    model.compile("adam", metrics=["accuracy"])
    model.fit(images, labels, epochs=20)
    ```

    Reference:
        Shi et al., "Fast Certified Robust Training with Short Warmup", NeurIPS 2021; the bounds: Gowal et al., "On the
        Effectiveness of Interval Bound Propagation for Training Verifiably Robust Models", 2018.
    """

    def __init__(
        self,
        network: keras.Model,
        epsilon: float,
        ramp_steps: int = 1000,
        warmup_steps: int = 0,
        regularization: float = 0.5,
        tolerance: float = 0.5,
        value_range: Any = (0.0, 1.0),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        chain(network)
        if len(network.output_shape) != 2 or network.output_shape[-1] is None or network.output_shape[-1] < 2:
            raise ValueError(
                f"`network` must give logits [N, K]. Received: network with output shape {network.output_shape}"
            )
        if not 0 <= regularization < float("inf"):
            raise ValueError(
                f"`regularization` must be finite and not negative. Received: regularization={regularization}"
            )
        if not 0 < tolerance < float("inf"):
            raise ValueError(f"`tolerance` must be finite and positive. Received: tolerance={tolerance}")
        self.network = network
        self.epsilon = check_epsilon(epsilon)
        self.ramp_steps = check_integer("ramp_steps", ramp_steps, 0)
        self.warmup_steps = check_integer("warmup_steps", warmup_steps, 0)
        self.regularization, self.tolerance = float(regularization), float(tolerance)
        self.value_range = check_range_of_values(value_range)
        self.steps = self.add_weight(name="steps", shape=(), initializer="zeros", dtype="int32", trainable=False)
        names = ("robust_loss", "verified_error", "distance")
        self.means = [keras.metrics.Mean(name) for name in names]
        self.built = True
        if None not in network.input_shape[1:]:  # a layer without known bounds is an error now and not in `fit`
            self.margins(keras.ops.zeros((1, *network.input_shape[1:])), np.zeros(1, "int32"), 0.0)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        return self.network(x, training=training)

    def distance(self) -> Tensor:
        """The distance of the next training step, a float32 scalar."""
        done = keras.ops.cast(self.steps - self.warmup_steps, "float32")
        share = done / self.ramp_steps if self.ramp_steps else keras.ops.cast(done >= 0, "float32")
        return self.epsilon * keras.ops.clip(share, 0.0, 1.0)

    def margins(
        self, x: Tensor, y: Tensor, distance: Tensor | float, training: bool = False
    ) -> tuple[Tensor, Tensor, list[tuple[Tensor, Tensor]]]:
        """Upper bounds `[N, K]` of the logits less that of the true class, the radius of the inputs, and the bounds of
        what each ReLU is given."""
        ops = keras.ops
        start = input_bounds(x, distance, self.value_range)
        layers = chain(self.network)
        classes = self.network.output_shape[-1]
        own = ops.one_hot(ops.cast(ops.reshape(y, (-1,)), "int32"), classes, dtype="float32")
        last = layers[-1]
        plain = isinstance(last, keras.layers.Dense) and last.activation is keras.activations.linear
        before = propagate(layers[:-1] if plain else layers, start, training)
        if plain:
            found = _last_margins(last, before, own)
        else:
            found = before.upper - ops.sum(own * before.lower, axis=1, keepdims=True)
        return ops.where(own > 0, 0.0, found), start.radius, before.before_relu

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        ops = keras.ops
        distance = self.distance() if training else ops.convert_to_tensor(self.epsilon, "float32")
        margins, radius, before_relu = self.margins(x, y, distance, training)
        losses = ops.logsumexp(margins, axis=1)
        wrong = ops.cast(ops.max(margins, axis=1) > 0, "float32")  # the true class's own entry is 0
        weights = ops.ones_like(losses) if sample_weight is None else as_float(ops.reshape(sample_weight, (-1,)))
        loss = ops.sum(losses * weights) / ops.maximum(ops.sum(weights), 1e-12)
        for metric, value in zip(self.means, (loss, ops.mean(wrong), distance), strict=True):
            metric.update_state(value)
        if not training:
            return loss
        self.steps.assign(self.steps + 1)
        if not self.regularization or not self.epsilon:
            return loss
        tight, balance = bound_regularization(radius, before_relu, self.tolerance)
        return loss + self.regularization * (1.0 - distance / self.epsilon) * (tight + balance)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return self.network.compute_output_shape(input_shape)

    def get_config(self) -> dict[str, Any]:
        own = ("epsilon", "ramp_steps", "warmup_steps", "regularization", "tolerance", "value_range")
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            **{name: getattr(self, name) for name in own},
        }

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "IBPTraining":
        network = keras.saving.deserialize_keras_object(config.pop("network"), custom_objects=custom_objects)
        return cls(network, **config)


def _last_margins(layer: Any, bounds: Bounds, own: Tensor) -> Tensor:
    """Upper bounds of `z_j - z_y` through a dense layer: it is `(W_j - W_y)` of its input, and linear."""
    ops, kernel = keras.ops, as_float(layer.kernel)
    true = ops.matmul(own, ops.transpose(kernel))  # [N, F]
    difference = kernel[None] - true[:, :, None]  # [N, F, K]
    center = ops.matmul(bounds.center[:, None], difference)[:, 0]
    radius = ops.matmul(bounds.radius[:, None], ops.abs(difference))[:, 0]
    if layer.use_bias:
        bias = as_float(layer.bias)
        center = center + bias - ops.sum(own * bias, axis=1, keepdims=True)
    return center + radius


def verified_error(
    model: keras.Model, x: Tensor, y: Tensor, epsilon: float, value_range: Any = (0.0, 1.0), batch_size: int = 256
) -> float:
    """The share of samples for which interval bounds do not prove the right class within a distance.

    It is an upper bound of the error under any attack, and at `epsilon` 0 the usual error.

    Args:
        model: a built chain of layers (see `interval_bounds`) that ends in logits, or an `IBPTraining`.
        x: inputs `[N, ...]`.
        y: class numbers `[N]`.
        epsilon: the distance, not negative.
        value_range: `(low, high)` of valid inputs. Defaults to `(0, 1)`; None is any.
        batch_size: inputs in a batch. Defaults to 256.

    Returns:
        The share, 0 to 1.

    Raises:
        ValueError: if the model is no chain of known layers, there are no samples, or an argument is out of range.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(2, use_bias=False)])
    >>> model.set_weights([np.eye(2)])
    >>> x, y = np.array([[0.9, 0.1], [0.6, 0.4]]), np.array([0, 0])
    >>> [verified_error(model, x, y, epsilon) for epsilon in (0.05, 0.2, 0.5)]
    [0.0, 0.5, 1.0]

    Reference:
        Gowal et al., "On the Effectiveness of Interval Bound Propagation for Training Verifiably Robust Models", 2018.
    """
    batch_size, labels = check_integer("batch_size", batch_size, 1), np.asarray(y).reshape(-1)
    if not len(labels) or len(labels) != len(x):
        raise ValueError(f"`x` and `y` must hold the same samples. Received: {len(x)} inputs, {len(labels)} labels")
    network = model.network if isinstance(model, IBPTraining) else model
    certifier = IBPTraining(network, epsilon, value_range=value_range)
    wrong = 0
    for start in range(0, len(labels), batch_size):
        part = labels[start : start + batch_size]
        margins, *_ = certifier.margins(x[start : start + batch_size], part, certifier.epsilon)
        margins = np.array(keras.ops.convert_to_numpy(margins))
        margins[np.arange(len(part)), part] = -np.inf
        wrong += int((margins >= 0).any(axis=1).sum())
    return wrong / len(labels)
