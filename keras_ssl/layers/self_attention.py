"""Attention between the tokens of a sequence."""

from typing import Any

import keras
import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class SelfAttention(keras.layers.Layer):
    """Multi-head attention between tokens whose queries, keys and values come in one tensor.

    For each head, `softmax(Q K^T / sqrt(D / heads)) V`. It has no weights: a Dense layer of `3 * D` units comes before
    it and one of `D` after, which is the layout of nearly every published vision transformer. The softmax is computed
    in float32 under every policy.

    Args:
        heads: number of heads, which must divide D.

    Input: `[N, T, 3 * D]`: queries, keys, values, each by head. Output: `[N, T, D]`, by head.

    Raises:
        ValueError: if `heads` is not a positive integer, or the input's width is not a multiple of `3 * heads`.

    Example:

    >>> tuple(SelfAttention(heads=2)(keras.ops.ones((1, 5, 24))).shape)
    (1, 5, 8)

    Reference: Vaswani et al., "Attention is all you need", NeurIPS 2017, https://arxiv.org/abs/1706.03762.
    """

    def __init__(self, heads: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = check_integer("heads", heads, 1)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        width = input_shape[-1]
        if width is None or width % (3 * self.heads):
            raise ValueError(
                f"The input of {self.heads} heads must have a multiple of {3 * self.heads} channels. "
                f"Received: input_shape={tuple(input_shape)}"
            )

    def call(self, qkv: Tensor) -> Tensor:
        ops = keras.ops
        _, tokens, width = qkv.shape
        tokens = ops.shape(qkv)[1] if tokens is None else tokens
        depth = width // (3 * self.heads)
        parts = ops.reshape(qkv, (-1, tokens, 3, self.heads, depth))
        # Scaled before the product, which in float16 could overflow.
        query, key, value = parts[:, :, 0] * depth**-0.5, parts[:, :, 1], parts[:, :, 2]
        if not (isinstance(tokens, int) and tokens % 2 and _fuses_even_lengths(self.compute_dtype)):
            mixed = ops.dot_product_attention(query, key, value, scale=1.0)
            return ops.reshape(mixed, (-1, tokens, width // 3))
        # One token more, which nobody looks at.
        query, key, value = (ops.pad(part, ((0, 0), (0, 1), (0, 0), (0, 0))) for part in (query, key, value))
        seen = ops.convert_to_tensor((np.arange(tokens + 1) < tokens)[None, None, None])
        seen = ops.broadcast_to(seen, (1, 1, tokens + 1, tokens + 1))
        mixed = ops.dot_product_attention(query, key, value, mask=seen, scale=1.0)[:, :tokens]
        return ops.reshape(mixed, (-1, tokens, width // 3))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], None if input_shape[-1] is None else input_shape[-1] // 3)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "heads": self.heads}


def _fuses_even_lengths(dtype: str) -> bool:
    """Whether attention is one fused kernel, but for a gradient only over an even number of tokens.

    So it is where JAX hands half-precision attention to cuDNN; it refuses what is odd, and a vision transformer's
    patches and its class token are.
    """
    if keras.backend.backend() != "jax" or dtype not in ("bfloat16", "float16"):
        return False
    import jax

    return jax.default_backend() == "gpu"
