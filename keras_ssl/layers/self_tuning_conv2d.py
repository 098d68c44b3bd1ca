"""A convolution whose weights answer to hyperparameters."""

from typing import Any

import keras

from keras_ssl.layers.self_tuning_dense import SelfTuningDense
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["SelfTuningConv2D"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class SelfTuningConv2D(SelfTuningDense):
    """`SelfTuningDense` with a convolution in the place of the product; each filter scales a second one.

    Args:
        filters: channels of the output, a positive integer.
        kernel_size: side of the square filters, a positive integer.
        strides: a positive integer. Defaults to 1.
        padding: "valid" (default) or "same".
        **kwargs: `activation`, `use_bias`, `kernel_initializer`, `bias_initializer`, `name`, `dtype`, as for
            `SelfTuningDense`.

    Input: a list of images `[N, height, width, D]`, channels last, and `h [N, H]`. Output: `[N, ..., filters]`.

    Raises:
        ValueError: if an argument is out of range, or the input is no such list.

    Example:

    >>> layer = SelfTuningConv2D(3, kernel_size=3, padding="same")
    >>> tuple(layer([keras.ops.ones((2, 5, 5, 1)), keras.ops.zeros((2, 1))]).shape)
    (2, 5, 5, 3)

    Reference: MacKay et al., "Self-Tuning Networks: Bilevel Optimization of Hyperparameters using Structured
    Best-Response Functions", ICLR 2019.
    """

    def __init__(self, filters: int, kernel_size: int, strides: int = 1, padding: str = "valid", **kwargs: Any) -> None:
        filters = check_integer("filters", filters, 1)
        kernel_size = check_integer("kernel_size", kernel_size, 1)
        strides = check_integer("strides", strides, 1)
        if padding not in ("valid", "same"):
            raise ValueError(f"`padding` must be 'valid' or 'same'. Received: padding={padding}")
        super().__init__(filters, **kwargs)
        self.kernel_size, self.strides, self.padding = kernel_size, strides, padding

    def _kernel_shape(self, shape: Any) -> tuple[int, ...]:
        return (self.kernel_size, self.kernel_size, shape[-1], self.units)

    def _product(self, x: Tensor, kernel: Tensor) -> Tensor:
        kernel = keras.ops.convert_to_tensor(kernel, self.compute_dtype)
        return keras.ops.conv(x, kernel, self.strides, self.padding, data_format="channels_last")

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        shape = input_shape[0]
        less = self.kernel_size - 1 if self.padding == "valid" else 0
        sides = [None if side is None else -(-(side - less) // self.strides) for side in shape[1:3]]
        return (shape[0], *sides, self.units)

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["units"]
        own = {"filters": self.units, "kernel_size": self.kernel_size, "strides": self.strides, "padding": self.padding}
        return {**config, **own}
