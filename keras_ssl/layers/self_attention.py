"""Attention between the tokens of a sequence."""

from typing import Any

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class SelfAttention(keras.layers.Layer):
    """Multi-head attention between tokens whose queries, keys and values come in one tensor.

    For each head, `softmax(Q K^T / sqrt(D / heads)) V`. It has no weights: a Dense layer of `3 * D` units comes before
    it and one of `D` after, which is the layout of nearly every published vision transformer. The softmax is computed
    in float32 under every policy.

    With `qk_norm`, queries and keys of each head go through a layer normalization with a learned gain (and no bias),
    whose weights all heads share, before the product. Then the logits do not depend on the scale of the Dense layer's
    weights, and while the gains are 1 no logit is larger than `sqrt(D / heads)`: they cannot grow until the softmax is
    saturated, which is what makes training at high learning rates diverge.

    Args:
        heads: number of heads, which must divide D.
        qk_norm: whether to normalize queries and keys. Defaults to False.
        causal: whether each token sees itself and those before it only. Defaults to False; the call's argument of the
            same name goes before.
        **kwargs: `name`, `dtype`.

    Input: `[N, T, 3 * D]`: queries, keys, values, each by head. Output: `[N, T, D]`, by head.

    Raises:
        ValueError: if `heads` is not a positive integer, or the input's width is not a multiple of `3 * heads`.

    Example:

    >>> tuple(SelfAttention(heads=2)(keras.ops.ones((1, 5, 24))).shape)
    (1, 5, 8)

    Reference: Vaswani et al., "Attention is all you need", NeurIPS 2017, https://arxiv.org/abs/1706.03762;
    for `qk_norm` Dehghani et al., "Scaling Vision Transformers to 22 Billion Parameters", ICML 2023, and Wortsman et
    al., "Small-scale proxies for large-scale Transformer training instabilities", ICLR 2024.
    """

    def __init__(self, heads: int, qk_norm: bool = False, causal: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.heads = check_integer("heads", heads, 1)
        self.qk_norm = bool(qk_norm)
        self.causal = bool(causal)
        if self.qk_norm:
            options = {"axis": -1, "center": False, "epsilon": 1e-6, "dtype": self.dtype_policy}
            self.query_norm = keras.layers.LayerNormalization(**options, name="query_norm")
            self.key_norm = keras.layers.LayerNormalization(**options, name="key_norm")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        width = input_shape[-1]
        if width is None or width % (3 * self.heads):
            raise ValueError(
                f"The input of {self.heads} heads must have a multiple of {3 * self.heads} channels. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        if self.qk_norm:
            for norm in (self.query_norm, self.key_norm):
                norm.build((*input_shape[:-1], self.heads, width // (3 * self.heads)))

    def _parts(self, qkv: Tensor) -> tuple[Any, Tensor, Tensor, Tensor]:
        """The number of tokens; queries, scaled, keys and values, `[N, T, heads, D / heads]`."""
        ops = keras.ops
        _, tokens, width = qkv.shape
        tokens = ops.shape(qkv)[1] if tokens is None else tokens
        depth = width // (3 * self.heads)
        parts = ops.reshape(qkv, (-1, tokens, 3, self.heads, depth))
        query, key = parts[:, :, 0], parts[:, :, 1]
        if self.qk_norm:
            query, key = self.query_norm(query), self.key_norm(key)
        # Scaled before the product, which in float16 could overflow.
        return tokens, query * depth**-0.5, key, parts[:, :, 2]

    def logits(self, qkv: Tensor) -> Tensor:
        """What the softmax is taken of: `Q K^T / sqrt(D / heads)`, float32 `[N, heads, T, T]`."""
        ops = keras.ops
        _, query, key, _ = self._parts(qkv)
        query, key = (ops.transpose(ops.cast(part, "float32"), (0, 2, 1, 3)) for part in (query, key))
        return ops.matmul(query, ops.transpose(key, (0, 1, 3, 2)))

    def call(self, qkv: Tensor, causal: bool | None = None) -> Tensor:
        ops = keras.ops
        width = qkv.shape[-1]
        tokens, query, key, value = self._parts(qkv)
        causal = self.causal if causal is None else causal
        added = int(isinstance(tokens, int) and tokens % 2 and _fuses_even_lengths(self.compute_dtype))
        if not added and not causal:
            mixed = _attend(query, key, value)
            return ops.reshape(mixed, (-1, tokens, width // 3))
        # One token more where the length is odd, which nobody looks at.
        query, key, value = (ops.pad(part, ((0, 0), (0, added), (0, 0), (0, 0))) for part in (query, key, value))
        places = ops.arange(tokens + added)
        seen = ops.logical_and(places[None] < tokens, places[:, None] >= 0)
        if causal:
            seen = ops.logical_and(seen, places[None] <= places[:, None])
        seen = seen[None, None]
        mixed = _attend(query, key, value, seen)[:, :tokens]
        return ops.reshape(mixed, (-1, tokens, width // 3))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], None if input_shape[-1] is None else input_shape[-1] // 3)

    def get_config(self) -> dict[str, Any]:
        config = {**super().get_config(), "heads": self.heads}
        # Only where they are on, so that files of models without them stay as they are.
        return config | {name: True for name in ("qk_norm", "causal") if getattr(self, name)}


def _attend(query: Tensor, key: Tensor, value: Tensor, seen: Tensor | None = None) -> Tensor:
    """Attention of queries that are scaled already; `seen` says which tokens see which."""
    ops, dtype = keras.ops, keras.backend.standardize_dtype(value.dtype)
    if _is_refused(dtype):
        query, key, value = (ops.cast(part, "float32") for part in (query, key, value))
    return ops.cast(ops.dot_product_attention(query, key, value, mask=seen, scale=1.0), dtype)


def _is_refused(dtype: str) -> bool:
    """Whether a compiled program may not have attention of this type: float16 where JAX runs on a processor."""
    if keras.backend.backend() != "jax" or dtype != "float16":
        return False
    import jax

    return jax.default_backend() == "cpu"


def _fuses_even_lengths(dtype: str) -> bool:
    """Whether attention is one fused kernel, but for a gradient only over an even number of tokens.

    So it is where JAX hands half-precision attention to cuDNN; it refuses what is odd, and a vision transformer's
    patches and its class token are.
    """
    if keras.backend.backend() != "jax" or dtype not in ("bfloat16", "float16"):
        return False
    import jax

    return jax.default_backend() == "gpu"
