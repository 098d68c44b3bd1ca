"""The learned inverse temperature of CLIP."""

import math
from typing import Any

import keras

from keras_ssl.losses.numeric import check_positive
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class LogitScale(Configured, keras.layers.Layer):
    """A scale of logits, `1 / T`, learned as its logarithm, and at most `maximum`.

    At the maximum the gradient still reaches the weight, which can come down again, as in CLIP, where the weight is
    clipped after each step.

    Args:
        temperature: T at the start, positive. Defaults to `0.07`, CLIP's.
        maximum: greatest scale. Defaults to 100, CLIP's.

    Raises:
        ValueError: if `temperature` or `maximum` is not positive, or the start is beyond the maximum.
    """

    def __init__(self, temperature: float = 0.07, maximum: float = 100.0, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        for name, value in (("temperature", temperature), ("maximum", maximum)):
            check_positive(name, value)
        if 1.0 / temperature > maximum:
            raise ValueError(
                f"`temperature` must be at least 1 / {maximum:g}, the scale's maximum. "
                f"Received: temperature={temperature}"
            )
        self.temperature, self.maximum = float(temperature), float(maximum)
        self.log_scale = self.add_weight(
            name="log_scale",
            shape=(),
            initializer=keras.initializers.Constant(-math.log(self.temperature)),
        )
        self.built = True

    def scale(self) -> Tensor:
        """The scale, a scalar."""
        raw = keras.ops.convert_to_tensor(self.log_scale)
        clipped = keras.ops.minimum(raw, math.log(self.maximum))
        return keras.ops.exp(raw + keras.ops.stop_gradient(clipped - raw))
