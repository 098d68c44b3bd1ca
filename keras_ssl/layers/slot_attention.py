"""Slot attention: tokens compete for slots."""

from typing import Any

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import normal_array
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

__all__ = ["SlotAttention"]

_EPSILON = 1e-8


@keras.saving.register_keras_serializable(package="keras_ssl")
class SlotAttention(Configured, keras.layers.Layer):
    r"""Groups tokens into slots by a few rounds of attention in which the slots compete for each token.

    The slots start as `mean + exp(log_std) * noise`, with a learned mean and spread that all share. In each round, with
    keys k and values v of the normalized tokens and queries q of the normalized slots,

    .. math:: a_{kt} = \mathrm{softmax}_k \frac{q_k \cdot k_t}{\sqrt{W}}, \qquad
        u_k = \frac{\sum_t a_{kt} v_t}{\sum_t a_{kt}}, \qquad s_k \leftarrow \mathrm{GRU}(s_k, u_k), \qquad
        s_k \leftarrow s_k + \mathrm{MLP}(\mathrm{norm}(s_k))

    The softmax runs over the slots, so what one slot explains the others do not. All slots share all weights: where the
    initial slots are permuted, so is the result. Softmax and sums are computed in float32 under every policy.

    Args:
        slots: number of slots K.
        width: of a slot, W. Defaults to 64.
        iterations: rounds. Defaults to 3, the paper's.
        hidden: width of the MLP's hidden layer. Defaults to None: twice `width`.
        seed: of the noise that slots start from where none is given. Defaults to 0.
        **kwargs: `name`, `dtype`.

    Input: tokens `[N, T, D]`, and optionally `initial` slots `[N, K, W]`, such as `start` makes of noise; without them
    all samples start from one and the same noise, that of `seed`. Output: slots `[N, K, W]` and the attention of the
    last round, float32 `[N, K, T]`, which sums to 1 over K.

    Raises:
        ValueError: if an argument is no positive integer.

    Example:

    >>> slots, attention = SlotAttention(slots=3, width=8)(keras.ops.ones((2, 5, 6)))
    >>> tuple(slots.shape), tuple(attention.shape)
    ((2, 3, 8), (2, 3, 5))

    Reference:
        Locatello et al., "Object-Centric Learning with Slot Attention", NeurIPS 2020,
        https://arxiv.org/abs/2006.15055.
    """

    def __init__(
        self,
        slots: int,
        width: int = 64,
        iterations: int = 3,
        hidden: int | None = None,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.slots = check_integer("slots", slots, 1)
        self.width = check_integer("width", width, 1)
        self.iterations = check_integer("iterations", iterations, 1)
        self.hidden = 2 * self.width if hidden is None else check_integer("hidden", hidden, 1)
        self.seed = check_integer("seed", seed, 0, 2**32 - 1)
        policy = self.dtype_policy
        for name in ("input_norm", "slot_norm", "mlp_norm"):
            setattr(self, name, keras.layers.LayerNormalization(epsilon=1e-5, dtype=policy, name=name))
        for name in ("key", "value", "query"):
            setattr(self, name, keras.layers.Dense(self.width, use_bias=False, dtype=policy, name=name))
        self.update = keras.layers.GRUCell(self.width, dtype=policy, name="update")
        self.mlp1 = keras.layers.Dense(self.hidden, activation="relu", dtype=policy, name="mlp1")
        self.mlp2 = keras.layers.Dense(self.width, dtype=policy, name="mlp2")

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        tokens, width = (None, None, input_shape[-1]), (None, None, self.width)
        for layer in (self.input_norm, self.key, self.value):
            layer.build(tokens)
        for layer in (self.slot_norm, self.query, self.mlp_norm, self.mlp1):
            layer.build(width)
        self.mlp2.build((None, None, self.hidden))
        self.update.build((None, self.width))
        self.mean = self.add_weight(
            name="mean", shape=(self.width,), initializer=keras.initializers.RandomNormal(stddev=self.width**-0.5)
        )
        self.log_std = self.add_weight(name="log_std", shape=(self.width,), initializer="zeros")

    def start(self, noise: Tensor) -> Tensor:
        """The slots to start from, `[N, K, W]`, of standard normal noise of this shape."""
        ops = keras.ops
        return ops.cast(self.mean, "float32") + ops.exp(ops.cast(self.log_std, "float32")) * ops.cast(noise, "float32")

    def keys_and_queries(self, tokens: Tensor, slots: Tensor) -> tuple[Tensor, Tensor]:
        """What attention compares: keys of tokens `[N, T, W]` and queries of slots `[N, K, W]`."""
        return self.key(self.input_norm(tokens)), self.query(self.slot_norm(slots))

    def call(self, tokens: Tensor, initial: Tensor | None = None) -> tuple[Tensor, Tensor]:
        ops = keras.ops
        normalized = self.input_norm(tokens)
        keys = ops.cast(self.key(normalized), "float32") * self.width**-0.5
        values = ops.cast(self.value(normalized), "float32")
        if initial is None:
            noise = ops.convert_to_tensor(normal_array((1, self.slots, self.width), self.seed))
            # Adding zeros of the batch's size is how the noise becomes every sample's.
            initial = self.start(noise) + ops.zeros_like(keys[:, :1, :1])
        slots = ops.cast(initial, self.compute_dtype)
        attention = None
        for _ in range(self.iterations):
            queries = ops.cast(self.query(self.slot_norm(slots)), "float32")
            attention = ops.softmax(ops.einsum("nkw,ntw->nkt", queries, keys), axis=1)
            weights = attention + _EPSILON
            weights = weights / ops.sum(weights, axis=2, keepdims=True)
            updates = ops.cast(ops.einsum("nkt,ntw->nkw", weights, values), self.compute_dtype)
            flat = [ops.reshape(part, (-1, self.width)) for part in (updates, slots)]
            slots = ops.reshape(self.update(flat[0], [flat[1]])[0], (-1, self.slots, self.width))
            slots = slots + self.mlp2(self.mlp1(self.mlp_norm(slots)))
        return slots, attention

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[tuple[int | None, ...], ...]:
        return (input_shape[0], self.slots, self.width), (input_shape[0], self.slots, input_shape[1])
