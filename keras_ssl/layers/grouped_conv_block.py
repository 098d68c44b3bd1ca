"""A convolution of groups of channels, with what comes behind it in data2vec 2.0's decoder."""

from typing import Any

import keras

from keras_ssl.layers.gelu import gelu
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class GroupedConvBlock(keras.layers.Layer):
    """`gelu(norm(convolution(x)))`, and `x` added where it is as wide; the norm is a layer normalization without
    weights.

    The convolution mixes the channels of each group only, has stride 1, zeros outside of the map, and a bias.

    Args:
        filters: width of the output, a multiple of `groups`.
        kernel_size: side of the kernel, odd. Defaults to 3.
        groups: number of groups, which must divide both widths. Defaults to 1.
        **kwargs: `name`, `dtype`.

    Input: `[N, H, W, C]`. Output: `[N, H, W, filters]`.

    Raises:
        ValueError: if an argument is out of range or the groups do not divide a width.

    Example:

    >>> tuple(GroupedConvBlock(8, groups=2)(keras.ops.ones((1, 4, 4, 6))).shape)
    (1, 4, 4, 8)

    Reference: Baevski et al., "Efficient Self-supervised Learning with Contextualized Target Representations for
    Vision, Speech and Language", ICML 2023, https://arxiv.org/abs/2212.07525.
    """

    def __init__(self, filters: int, kernel_size: int = 3, groups: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = check_integer("filters", filters, 1)
        self.kernel_size = check_integer("kernel_size", kernel_size, 1)
        self.groups = check_integer("groups", groups, 1)
        if self.kernel_size % 2 == 0:
            raise ValueError(f"`kernel_size` must be odd. Received: kernel_size={kernel_size}")
        if self.filters % self.groups:
            raise ValueError(f"`groups` must divide the width, {self.filters}. Received: groups={groups}")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        width = input_shape[-1]
        if width is None or width % self.groups:
            raise ValueError(f"`groups` must divide the width, {width}. Received: groups={self.groups}")
        before, after, taps = width // self.groups, self.filters // self.groups, self.kernel_size**2
        scale = (6.0 / (taps * (before + after))) ** 0.5  # Glorot's of one group
        self.kernel = self.add_weight(
            name="kernel",
            shape=(taps, self.groups, before, after),
            initializer=keras.initializers.RandomUniform(-scale, scale),
        )
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        self.norm = keras.layers.LayerNormalization(
            epsilon=1e-5, center=False, scale=False, dtype=self.dtype_policy, name="norm"
        )
        self.norm.build((*input_shape[:-1], self.filters))

    def call(self, x: Tensor) -> Tensor:
        ops, side = keras.ops, self.kernel_size
        height, width = x.shape[1:3]
        reach = side // 2
        grouped = ops.reshape(x, (-1, height, width, self.groups, x.shape[-1] // self.groups))
        padded = ops.pad(grouped, ((0, 0), (reach, reach), (reach, reach), (0, 0), (0, 0)))
        found: Tensor = 0.0
        for tap in range(side**2):  # sums of products: grouped convolutions have no gradient on some devices
            top, left = divmod(tap, side)
            part = padded[:, top : top + height, left : left + width]
            found = found + ops.einsum("nhwgc,gcd->nhwgd", part, ops.cast(self.kernel[tap], x.dtype))
        found = ops.reshape(found, (-1, height, width, self.filters)) + ops.cast(self.bias, x.dtype)
        found = gelu(self.norm(found))
        return found + x if x.shape[-1] == self.filters else found

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.filters)

    def get_config(self) -> dict[str, Any]:
        config = {"filters": self.filters, "kernel_size": self.kernel_size, "groups": self.groups}
        return {**super().get_config(), **config}
