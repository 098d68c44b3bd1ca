"""A projection head without weights: each feature counts less than the one before."""

from typing import Any

import keras
import numpy as np

from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

__all__ = ["FixedReweightingHead"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class FixedReweightingHead(Configured, keras.layers.Layer):
    r"""Scales feature i by :math:`\kappa^{-i}`, for the loss only: `h_i = z_i / kappa**i`, i from 0.

    It stands in the place of a projection head and is left out afterwards. What a head with weights does to features by
    training, weighting them more and more unequally, this one does by a fixed rule: features that the loss does not
    need can stay in the encoder's output at a low weight. It has no weights. With `kappa` 1 it is the identity.

    The paper writes i for the number of the feature; as in its authors' code, it starts at 0.

    Args:
        kappa: the base, above 0 and finite; above 1, later features count less. Defaults to 1.1.

    Input: `[..., D]`. Output: the same shape.

    Raises:
        ValueError: if `kappa` is not positive and finite; when built, if `kappa**(1 - D)` is more than a float32 holds.

    Example:

    >>> FixedReweightingHead(2.0)(np.ones((1, 4), "float32"))[0].__array__().tolist()
    [1.0, 0.5, 0.25, 0.125]

    Reference:
        Xue et al., "Investigating the Benefits of Projection Head for Representation Learning", ICLR 2024.
    """

    def __init__(self, kappa: float = 1.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(kappa, bool) or not 0 < kappa < float("inf"):
            raise ValueError(f"`kappa` must be positive and finite. Received: kappa={kappa}")
        self.kappa = float(kappa)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        width = input_shape[-1]
        if width is None:
            raise ValueError(f"The width of features must be known. Received: input_shape={input_shape}")
        if -(width - 1) * np.log(self.kappa) > 88:  # the logarithm of the largest float32 is 88.7
            raise ValueError(
                f"`kappa` to the power of {1 - width} must be a float32. Received: kappa={self.kappa}, width={width}"
            )
        self.scale = np.exp(-np.log(self.kappa) * np.arange(width)).astype("float32")

    def call(self, features: Tensor) -> Tensor:
        features = keras.ops.convert_to_tensor(features)
        return features * keras.ops.cast(self.scale, features.dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape
