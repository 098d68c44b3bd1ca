"""Several projection heads side by side."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.losses.numeric import check_integer
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class MultiHead(Configured, keras.layers.Layer):
    """Heads of one shape on the same features, their outputs joined: `[N, F]` to `[N, heads * widths[-1]]`.

    Args:
        heads: number of heads.
        widths: widths of each, as for `MLPHead`.
        batch_norm: as for `MLPHead`. Defaults to True.
        output_norm: as for `MLPHead`. Defaults to None.

    Raises:
        ValueError: if `heads` is not a positive integer, and as `MLPHead`.

    Example:

    >>> head = MultiHead(3, (16, 8))
    >>> head.build((None, 4))
    >>> head.compute_output_shape((2, 4))
    (2, 24)
    """

    def __init__(
        self,
        heads: int,
        widths: Sequence[int],
        *,
        batch_norm: bool = True,
        output_norm: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.heads = check_integer("heads", heads, 1)
        self.batch_norm = batch_norm
        self.output_norm = output_norm
        self.parts = [
            MLPHead(
                widths, batch_norm=batch_norm, output_norm=output_norm, dtype=self.dtype_policy, name=f"head{number}"
            )
            for number in range(1, self.heads + 1)
        ]
        self.widths = self.parts[0].widths

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        for part in self.parts:
            part.build(input_shape)

    def call(self, features: Tensor, training: bool = False) -> Tensor:
        return keras.ops.concatenate([part(features, training=training) for part in self.parts], axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (*input_shape[:-1], self.heads * self.widths[-1])
