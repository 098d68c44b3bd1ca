"""A block in which queries look at a context and not at one another."""

from typing import Any

import keras

from keras_ssl.layers.gelu import gelu
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class CrossAttentionBlock(Configured, keras.layers.Layer):
    """Attention of queries to a context, and an MLP, each on the normalized queries and added to them (pre-norm).

        x = x + projection(attention(query(norm1(x)), key_value(context)))
        x = x + mlp2(gelu(mlp1(norm2(x))))

    No query sees another one: what comes out for a query does not depend on which others there are. The context is
    taken as it is. The softmax is computed in float32 under every policy.

    Args:
        heads: number of heads, which must divide the width of the queries.
        mlp_ratio: width of the hidden layer over that of the queries. Defaults to 4.
        **kwargs: `name`, `dtype`.

    Input: queries `[N, M, D]`, context `[N, K, E]`. Output: `[N, M, D]`.

    Raises:
        ValueError: if `heads` does not divide the width, or `mlp_ratio` is not positive.

    Example:

    >>> tuple(CrossAttentionBlock(heads=2)(keras.ops.ones((1, 5, 8)), keras.ops.ones((1, 3, 12))).shape)
    (1, 5, 8)

    Reference: Fu et al., "Rethinking Patch Dependence for Masked Autoencoders", TMLR 2025,
    https://arxiv.org/abs/2401.14391.
    """

    def __init__(self, heads: int, mlp_ratio: float = 4.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = check_integer("heads", heads, 1)
        self.mlp_ratio = check_positive("mlp_ratio", mlp_ratio)
        policy = self.dtype_policy
        self.norm1 = keras.layers.LayerNormalization(epsilon=1e-6, dtype=policy, name="norm1")
        self.norm2 = keras.layers.LayerNormalization(epsilon=1e-6, dtype=policy, name="norm2")

    def build(self, x_shape: tuple[int | None, ...], context_shape: tuple[int | None, ...]) -> None:
        width, context_width = x_shape[-1], context_shape[-1]
        if width is None or width % self.heads:
            raise ValueError(f"`heads` must divide the width, {width}. Received: heads={self.heads}")
        hidden = int(width * self.mlp_ratio)
        widths = {"query": (width, width), "key_value": (context_width, 2 * width), "projection": (width, width)}
        widths |= {"mlp1": (width, hidden), "mlp2": (hidden, width)}
        for name, (before, after) in widths.items():
            layer = keras.layers.Dense(after, kernel_initializer="glorot_uniform", dtype=self.dtype_policy, name=name)
            layer.build((None, None, before))
            setattr(self, name, layer)
        self.norm1.build(x_shape)
        self.norm2.build(x_shape)

    def call(self, x: Tensor, context: Tensor) -> Tensor:
        ops, width = keras.ops, x.shape[-1]
        depth = width // self.heads
        query = self._by_head(self.query(self.norm1(x)) * depth**-0.5, depth)
        keys, values = ops.split(self.key_value(context), 2, axis=-1)
        keys, values = self._by_head(keys, depth), self._by_head(values, depth)
        logits = ops.einsum("nmhd,nkhd->nhmk", ops.cast(query, "float32"), ops.cast(keys, "float32"))
        shares = ops.cast(ops.softmax(logits, axis=-1), values.dtype)
        mixed = ops.reshape(ops.einsum("nhmk,nkhd->nmhd", shares, values), (-1, x.shape[1], width))
        x = x + self.projection(mixed)
        return x + self.mlp2(gelu(self.mlp1(self.norm2(x))))

    def _by_head(self, tokens: Tensor, depth: int) -> Tensor:
        """`[N, T, D]` as `[N, T, heads, D / heads]`."""
        return keras.ops.reshape(tokens, (-1, tokens.shape[1], self.heads, depth))

    def compute_output_shape(
        self, x_shape: tuple[int | None, ...], context_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return x_shape
