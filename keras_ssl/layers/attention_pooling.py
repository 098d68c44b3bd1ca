"""Attention pooling: one vector of many tokens."""

from typing import Any

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

__all__ = ["AttentionPooling"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class AttentionPooling(Configured, keras.layers.Layer):
    """Pools tokens by the attention of a learned query: a mean weighted by what the tokens hold.

    For each head h of depth `D / heads`, `softmax_t(q_h . k_ht / sqrt(D / heads))` weights the values `v_ht`; keys and
    values are linear maps of the tokens. The order of the tokens does not matter. The softmax is computed in float32
    under every policy.

    Args:
        heads: number of heads, which must divide D. Defaults to 1.
        **kwargs: `name`, `dtype`.

    Input: `[N, T, D]`. Output: `[N, D]`.

    Raises:
        ValueError: if `heads` is not a positive integer or does not divide the width.

    Example:

    >>> tuple(AttentionPooling(heads=2)(keras.ops.ones((3, 5, 8))).shape)
    (3, 8)

    Reference:
        Lee et al., "Set Transformer", ICML 2019, https://arxiv.org/abs/1810.00825; as a probe of frozen tokens Bardes
        et al., "Revisiting Feature Prediction for Learning Visual Representations from Video", 2024,
        https://arxiv.org/abs/2404.08471, whose probe also has an MLP after the attention.
    """

    def __init__(self, heads: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = check_integer("heads", heads, 1)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        width = input_shape[-1]
        if width is None or width % self.heads:
            raise ValueError(f"`heads` must divide the width, {width}. Received: heads={self.heads}")
        self.query = self.add_weight(
            name="query", shape=(width,), initializer=keras.initializers.RandomNormal(stddev=1.0)
        )
        self.key = keras.layers.Dense(width, name="key", dtype=self.dtype_policy)
        self.value = keras.layers.Dense(width, name="value", dtype=self.dtype_policy)
        for layer in (self.key, self.value):
            layer.build(input_shape)

    def attention(self, tokens: Tensor) -> Tensor:
        """The weights of the tokens, float32 `[N, T, heads]`: over T they sum to 1."""
        ops = keras.ops
        depth = tokens.shape[-1] // self.heads
        keys = ops.reshape(ops.cast(self.key(tokens), "float32"), (-1, ops.shape(tokens)[1], self.heads, depth))
        query = ops.reshape(ops.cast(self.query, "float32"), (self.heads, depth)) * depth**-0.5
        return ops.softmax(ops.sum(keys * query, axis=-1), axis=1)

    def call(self, tokens: Tensor) -> Tensor:
        ops = keras.ops
        width = tokens.shape[-1]
        values = ops.reshape(self.value(tokens), (-1, ops.shape(tokens)[1], self.heads, width // self.heads))
        weights = ops.cast(self.attention(tokens), values.dtype)
        return ops.reshape(ops.sum(values * weights[..., None], axis=1), (-1, width))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], input_shape[-1])
