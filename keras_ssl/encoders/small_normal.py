"""The initial weights of vision transformers."""

import random
from typing import Any

import keras
import numpy as np

from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class SmallNormal(keras.initializers.Initializer):
    """Normal of mean 0 and a small standard deviation.

    Vision transformers are said to start from a truncated normal of deviation 0.02. Their code cuts it off at -2 and
    2, a hundred deviations away, so that nothing is ever cut off. (Keras' `TruncatedNormal` cuts off at two
    deviations, which makes the weights' own 0.0176.) The numbers are NumPy's: one seed gives the same weights on
    every backend.

    Args:
        stddev: standard deviation. Defaults to 0.02.
        seed: integer. Defaults to a draw from Python's `random`, which `keras.utils.set_random_seed` seeds.

    Example:

    >>> kernel = SmallNormal(seed=0)((64, 64))
    >>> round(float(keras.ops.std(kernel)), 3)
    0.02
    """

    def __init__(self, stddev: float = 0.02, seed: int | None = None) -> None:
        self.stddev = stddev
        self.seed = random.randint(1, 10**9) if seed is None else seed

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        """Draws weights; the same numbers at every call."""
        values = np.random.default_rng(self.seed).standard_normal(shape, "float32") * self.stddev
        return keras.ops.convert_to_tensor(values, dtype or keras.config.floatx())

    def get_config(self) -> dict[str, Any]:
        return {"stddev": self.stddev, "seed": self.seed}
