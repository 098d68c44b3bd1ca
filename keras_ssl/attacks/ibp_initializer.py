"""Weights with which interval bounds neither grow nor shrink."""

import math
from typing import Any

import keras

from keras_ssl.typing import Tensor

__all__ = ["IBPInitializer"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class IBPInitializer(keras.initializers.Initializer):
    r"""Normal weights of deviation :math:`\sqrt{2 \pi} / n` for n inputs of a unit.

    The radius of an output is :math:`\sum_i |w_i| r_i`, on average :math:`n \sigma \sqrt{2 / \pi}` times the radius of
    the inputs, and a ReLU halves it: this :math:`\sigma` makes the product 1, so that bounds stay as wide as they are
    from layer to layer. Usual initializers let them grow by a factor of about :math:`\sqrt{n}` at each layer.

    Args:
        seed: of the draw. Defaults to None.

    Example:

    >>> weights = IBPInitializer(seed=0)((200, 50))
    >>> round(float(keras.ops.std(weights)) * 200 / (2 * np.pi) ** 0.5, 1)
    1.0

    Reference:
        Shi et al., "Fast Certified Robust Training with Short Warmup", NeurIPS 2021.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = seed
        self._normal = keras.initializers.RandomNormal(seed=seed)

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        """Weights of a shape whose last axis is that of the units."""
        if len(shape) < 2:
            raise ValueError(f"`shape` must have at least two axes. Received: shape={tuple(shape)}")
        inputs = math.prod(shape[:-1])
        draws = self._normal(shape, dtype=dtype) / self._normal.stddev
        return draws * (math.sqrt(2 * math.pi) / inputs)

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}
