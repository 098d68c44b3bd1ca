"""A decoder of slots into pixels and masks."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.layers.grid_positions import grid_positions
from keras_ssl.losses.numeric import check_integer
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

__all__ = ["SlotDecoder"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class SlotDecoder(Configured, keras.layers.Layer):
    """Decodes each slot by itself at every place of a grid: the pixels of a patch, and how much they are the slot's.

    A slot is laid over all places, a linear map of the place's position is added, and an MLP with ReLUs gives the
    pixels of the patch and a logit for each. All slots share the MLP, so permuted slots give permuted results.

    Args:
        patch_size: side of a patch in pixels, p.
        channels: of the pixels, C. Defaults to 3.
        width: of the hidden layers. Defaults to 128.
        depth: number of hidden layers. Defaults to 3.
        **kwargs: `name`, `dtype`.

    Input: slots `[N, K, W]`, and `grid`, rows and columns, T places together. Output: pixels `[N, K, T, p^2 * C]` and
    logits `[N, K, T, p^2]`, float32, row by row.

    Raises:
        ValueError: if an argument is no positive integer.

    Example:

    >>> pixels, logits = SlotDecoder(patch_size=2, width=8)(keras.ops.ones((1, 3, 5)), grid=(4, 4))
    >>> tuple(pixels.shape), tuple(logits.shape)
    ((1, 3, 16, 12), (1, 3, 16, 4))

    Reference: after the broadcast decoder of Watters et al., "Spatial Broadcast Decoder", 2019,
    https://arxiv.org/abs/1901.07017, with an MLP for the convolutions, as Seitzer et al., "Bridging the Gap to
    Real-World Object-Centric Learning", ICLR 2023, https://arxiv.org/abs/2209.14860.
    """

    def __init__(self, patch_size: int, channels: int = 3, width: int = 128, depth: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patch_size = check_integer("patch_size", patch_size, 1)
        self.channels = check_integer("channels", channels, 1)
        self.width = check_integer("width", width, 1)
        self.depth = check_integer("depth", depth, 1)
        policy = self.dtype_policy
        self.position = keras.layers.Dense(self.width, use_bias=False, dtype=policy, name="position")
        self.hidden = [
            keras.layers.Dense(self.width, dtype=policy, name=f"hidden{number}") for number in range(1, self.depth + 1)
        ]
        self.output_layer = keras.layers.Dense(self.patch_size**2 * (self.channels + 1), dtype=policy, name="output")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.position.build((None, 4))
        for number, layer in enumerate(self.hidden):
            layer.build((None, None, None, self.width) if number else (None, None, input_shape[-1]))
        self.output_layer.build((None, None, None, self.width))

    def call(self, slots: Tensor, grid: Sequence[int]) -> tuple[Tensor, Tensor]:
        ops = keras.ops
        positions = self.position(ops.convert_to_tensor(grid_positions(grid)))
        x = self.hidden[0](slots)[:, :, None] + positions
        for layer in self.hidden[1:]:
            x = layer(ops.relu(x))
        decoded = ops.cast(self.output_layer(ops.relu(x)), "float32")
        cut = self.patch_size**2 * self.channels
        return decoded[..., :cut], decoded[..., cut:]
