"""A Dense layer whose weights answer to hyperparameters."""

from typing import Any

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["SelfTuningDense"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class SelfTuningDense(keras.layers.Layer):
    """`y = x W(h) + b(h)`: each output unit scales a second set of weights by the hyperparameters `h`.

        W(h) = W + W_hyper * (h V),   b(h) = b + b_hyper * (h C)

    with `W, W_hyper [D, units]`, `b, b_hyper [units]`, `V, C [H, units]`; the product runs along the columns. It
    approximates how the best weights change with the hyperparameters, near those it is trained at. V and C begin with
    0, where the layer is a Dense layer. It takes two products instead of one, whatever H is.

    Args:
        units: width of the output, a positive integer.
        activation: as for `keras.layers.Dense`. Defaults to None.
        use_bias: whether there is a bias. Defaults to True.
        kernel_initializer: of `W` and `W_hyper`. Defaults to "glorot_uniform".
        bias_initializer: of `b` and `b_hyper`. Defaults to "zeros" for `b`; `b_hyper` begins with ones.
        **kwargs: `name`, `dtype`.

    Input: a list of `x [..., D]` and `h [N, H]`, or `[1, H]` for all samples. Output: `[..., units]`.

    Raises:
        ValueError: if `units` is no positive integer, or the input is no such list.

    Example:

    >>> layer = SelfTuningDense(3)
    >>> tuple(layer([keras.ops.ones((4, 2)), keras.ops.zeros((4, 1))]).shape)
    (4, 3)

    Reference: MacKay et al., "Self-Tuning Networks: Bilevel Optimization of Hyperparameters using Structured
    Best-Response Functions", ICLR 2019.
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = check_integer("units", units, 1)
        self.activation = keras.activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)

    def build(self, input_shape: Any) -> None:
        parts = [len(part) if isinstance(part, list | tuple) else 0 for part in input_shape]
        if len(parts) != 2 or parts[0] < 2 or parts[1] != 2:
            raise ValueError(f"The input must be a list of x and h [N, H]. Received: input_shape={input_shape}")
        shape, count = self._kernel_shape(input_shape[0]), input_shape[1][-1]
        for name in ("kernel", "hyper_kernel"):
            # Not one object for both: an initializer with a seed would give the same numbers.
            initializer = self.kernel_initializer.clone() if name == "hyper_kernel" else self.kernel_initializer
            setattr(self, name, self.add_weight(shape=shape, initializer=initializer, name=name))
        self.scale = self.add_weight(shape=(count, self.units), initializer="zeros", name="scale")
        if self.use_bias:
            self.bias = self.add_weight(shape=(self.units,), initializer=self.bias_initializer, name="bias")
            self.hyper_bias = self.add_weight(shape=(self.units,), initializer="ones", name="hyper_bias")
            self.bias_scale = self.add_weight(shape=(count, self.units), initializer="zeros", name="bias_scale")

    def _kernel_shape(self, shape: Any) -> tuple[int, ...]:
        return (shape[-1], self.units)

    def _product(self, x: Tensor, kernel: Tensor) -> Tensor:
        return keras.ops.matmul(x, kernel)

    def weights_at(self, hyper: Tensor) -> list[Tensor]:
        """The kernel and the bias (where there is one) at hyperparameters `[H]`, for a penalty on them."""
        ops = keras.ops
        row = ops.reshape(ops.convert_to_tensor(hyper, self.variable_dtype), (1, -1))
        weights = [self.kernel + self.hyper_kernel * ops.matmul(row, self.scale)[0]]
        if self.use_bias:
            weights.append(self.bias + self.hyper_bias * ops.matmul(row, self.bias_scale)[0])
        return weights

    def call(self, inputs: Any) -> Tensor:
        ops = keras.ops
        x, hyper = inputs
        hyper = ops.cast(hyper, self.compute_dtype)
        y = self._product(x, self.kernel)
        places = (-1, *[1] * (len(y.shape) - 2), self.units)
        y = y + self._product(x, self.hyper_kernel) * ops.reshape(ops.matmul(hyper, self.scale), places)
        if self.use_bias:
            y = y + self.bias + self.hyper_bias * ops.reshape(ops.matmul(hyper, self.bias_scale), places)
        return y if self.activation is None else self.activation(y)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[0][:-1], self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "activation": keras.activations.serialize(self.activation),
            "use_bias": self.use_bias,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "bias_initializer": keras.initializers.serialize(self.bias_initializer),
        }
