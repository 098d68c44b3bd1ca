"""A block of a transformer as one layer, for decoders and predictors."""

from typing import Any

import keras

from keras_ssl.layers.gelu import gelu
from keras_ssl.layers.self_attention import SelfAttention
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class TransformerBlock(keras.layers.Layer):
    """Attention and an MLP, each on the normalized tokens and added to them (pre-norm).

        x = x + projection(attention(qkv(norm1(x))))
        x = x + mlp2(gelu(mlp1(norm2(x))))

    Args:
        heads: number of heads, which must divide the width.
        mlp_ratio: width of the hidden layer over that of the tokens. Defaults to 4.
        qk_norm: whether queries and keys are normalized: see `SelfAttention`. Defaults to False.
        **kwargs: `name`, `dtype`.

    Input and output: `[N, T, D]`.

    Raises:
        ValueError: if `heads` does not divide the width, or `mlp_ratio` is not positive.

    Example:

    >>> tuple(TransformerBlock(heads=2)(keras.ops.ones((1, 5, 8))).shape)
    (1, 5, 8)

    Reference: Dosovitskiy et al., "An image is worth 16x16 words", ICLR 2021, https://arxiv.org/abs/2010.11929.
    """

    def __init__(self, heads: int, mlp_ratio: float = 4.0, qk_norm: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = check_integer("heads", heads, 1)
        self.mlp_ratio = check_positive("mlp_ratio", mlp_ratio)
        policy = self.dtype_policy
        self.norm1 = keras.layers.LayerNormalization(epsilon=1e-6, dtype=policy, name="norm1")
        self.norm2 = keras.layers.LayerNormalization(epsilon=1e-6, dtype=policy, name="norm2")
        self.attention = SelfAttention(self.heads, qk_norm, dtype=policy, name="attention")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        width = input_shape[-1]
        if width is None or width % self.heads:
            raise ValueError(f"`heads` must divide the width, {width}. Received: heads={self.heads}")
        hidden = int(width * self.mlp_ratio)
        widths = {"qkv": (width, 3 * width), "projection": (width, width), "mlp1": (width, hidden)}
        widths["mlp2"] = (hidden, width)
        for name, (before, after) in widths.items():
            layer = keras.layers.Dense(after, kernel_initializer="glorot_uniform", dtype=self.dtype_policy, name=name)
            layer.build((*input_shape[:-1], before))
            setattr(self, name, layer)
        self.norm1.build(input_shape)
        self.norm2.build(input_shape)
        self.attention.build((*input_shape[:-1], 3 * width))

    def call(self, x: Tensor) -> Tensor:
        x = x + self.projection(self.attention(self.qkv(self.norm1(x))))
        return x + self.mlp2(gelu(self.mlp1(self.norm2(x))))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "heads": self.heads, "mlp_ratio": self.mlp_ratio}
        return {**config, "qk_norm": True} if self.attention.qk_norm else config
