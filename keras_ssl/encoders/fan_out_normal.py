"""The initial weights of convolutions in residual networks."""

import math
import random
from typing import Any

import keras
import numpy as np

from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class FanOutNormal(keras.initializers.Initializer):
    """Normal of mean 0 and standard deviation `sqrt(2 / (kernel height * kernel width * output channels))`.

    He's rule by fan-out: it keeps the variance of gradients through ReLU layers and is how ResNets are
    initialized. The numbers are NumPy's: one seed gives the same weights on every backend (not so with Keras'
    initializers), and JAX has nothing to compile, which takes it about a second for each new shape.

    Args:
        seed: integer. Defaults to a draw from Python's `random`, which `keras.utils.set_random_seed` seeds.

    Example:

    >>> kernel = FanOutNormal(seed=0)((3, 3, 16, 32))
    >>> round(float(keras.ops.std(kernel)), 2) == round((2 / (3 * 3 * 32)) ** 0.5, 2)
    True

    Reference: He et al., "Delving deep into rectifiers", ICCV 2015, https://arxiv.org/abs/1502.01852.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.seed = random.randint(1, 10**9) if seed is None else seed

    def __call__(self, shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        """Draws a kernel whose last axis is the output's; the same numbers at every call."""
        fan_out = math.prod(shape[:-2]) * shape[-1]
        values = np.random.default_rng(self.seed).standard_normal(shape, "float32") * math.sqrt(2.0 / fan_out)
        return keras.ops.convert_to_tensor(values, dtype or keras.config.floatx())

    def get_config(self) -> dict[str, Any]:
        return {"seed": self.seed}
