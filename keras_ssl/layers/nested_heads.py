"""Heads that see the first features only: Matryoshka heads."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.check_number import check_number
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.layers.prototypes import Prototypes
from keras_ssl.typing import Tensor

__all__ = ["NestedMLPHead", "NestedPrototypes", "level_parts"]


def check_shares(nested: Sequence[float]) -> tuple[float, ...]:
    """The shares of features that nested heads see.

    Raises:
        ValueError: unless they begin with 1 and decrease, above 0.
    """
    given = tuple(nested) if isinstance(nested, list | tuple) else ()
    shares = tuple(check_number("nested", share, 0.0, 1.0, above=True) for share in given)
    if not shares or shares[0] != 1.0 or any(a <= b for a, b in zip(shares, shares[1:], strict=False)):
        raise ValueError(f"`nested` must be shares that begin with 1 and decrease. Received: nested={nested!r}")
    return shares


def shared_size(share: float, size: int) -> int:
    """A share of a number of features or outputs: at least 1."""
    return max(1, round(share * size))


@keras.saving.register_keras_serializable(package="keras_ssl")
class NestedMLPHead(MLPHead):
    """An `MLPHead` on all features, and others of the same form on the first share of them each, side by side.

    Trained together, they order the features: the first ones are of use by themselves, so that an encoder's output may
    be cut off. With `nested=(1.0,)` it is an `MLPHead`.

    Args:
        widths: of each head, as for `MLPHead`.
        nested: shares of the features that the heads see; they begin with 1 and decrease. Defaults to `(1, 1/2, 1/4)`.
        **kwargs: as for `MLPHead`.

    Input: `[N, F]`. Output: `[N, len(nested) * widths[-1]]`, head after head.

    Raises:
        ValueError: as `MLPHead`, and if the shares do not begin with 1 and decrease.

    Example:

    >>> head = NestedMLPHead((16, 8), nested=(1.0, 0.5))
    >>> head.build((None, 4))
    >>> tuple(head(keras.ops.ones((2, 4))).shape)
    (2, 16)

    Reference: Venkataramanan et al., "Franca: Nested Matryoshka Clustering for Scalable Visual Representation
    Learning", 2025, https://arxiv.org/abs/2507.14137; Kusupati et al., "Matryoshka Representation Learning", NeurIPS
    2022. All heads have the same widths here.
    """

    def __init__(self, widths: Sequence[int], nested: Sequence[float] = (1.0, 0.5, 0.25), **kwargs: Any) -> None:
        super().__init__(widths, **kwargs)
        self.nested = check_shares(nested)
        own = {name: value for name, value in kwargs.items() if name != "name"}
        self.others = [MLPHead(widths, name=f"nested{place}", **own) for place in range(1, len(self.nested))]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        for share, head in zip(self.nested[1:], self.others, strict=True):
            head.build((*input_shape[:-1], shared_size(share, input_shape[-1] or 0)))

    def call(self, features: Tensor, training: bool = False) -> Tensor:
        made = [super().call(features, training=training)]
        for share, head in zip(self.nested[1:], self.others, strict=True):
            made.append(head(features[..., : shared_size(share, features.shape[-1])], training=training))
        return keras.ops.concatenate(made, axis=-1) if self.others else made[0]

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], len(self.nested) * self.widths[-1])


@keras.saving.register_keras_serializable(package="keras_ssl")
class NestedPrototypes(Prototypes):
    """`Prototypes` for each of the embeddings that a `NestedMLPHead` gives side by side, fewer for narrower heads.

    Args:
        count: number of prototypes of the first head, K; the others have `share * K`.
        dimension: width of one head's embedding, D.
        freeze_steps: as for `Prototypes`. Defaults to 0.
        nested: as for `NestedMLPHead`. Defaults to `(1, 1/2, 1/4)`.

    Input: `[N, len(nested) * D]`. Output: `[N, sum(counts)]`, head after head.

    Raises:
        ValueError: as `Prototypes`, and if the shares do not begin with 1 and decrease.

    Example:

    >>> NestedPrototypes(8, 3, nested=(1.0, 0.5)).counts
    (8, 4)
    """

    def __init__(
        self,
        count: int,
        dimension: int,
        freeze_steps: int = 0,
        nested: Sequence[float] = (1.0, 0.5, 0.25),
        **kwargs: Any,
    ) -> None:
        super().__init__(count, dimension, freeze_steps, **kwargs)
        self.nested = check_shares(nested)
        self.counts = tuple(shared_size(share, self.count) for share in self.nested)
        self.others = [
            Prototypes(number, dimension, freeze_steps, dtype=self.dtype_policy, name=f"nested{place}")
            for place, number in enumerate(self.counts[1:], start=1)
        ]

    def call(self, inputs: Tensor, updates: Tensor | None = None, training: bool = False) -> Tensor:
        parts = keras.ops.split(inputs, len(self.nested), axis=-1)
        made = [super().call(parts[0], updates=updates)]
        made += [layer(part, updates=updates) for layer, part in zip(self.others, parts[1:], strict=True)]
        return keras.ops.concatenate(made, axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], sum(self.counts))


def level_parts(outputs: Tensor, counts: Sequence[int]) -> list[Tensor]:
    """The outputs of each of several heads that lie side by side along the last axis."""
    places = [sum(counts[:place]) for place in range(1, len(counts))]
    return list(keras.ops.split(outputs, places, axis=-1)) if places else [outputs]
