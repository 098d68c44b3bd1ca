"""The one place where pixels become an encoder's input."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.typing import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@keras.saving.register_keras_serializable(package="keras_ssl")
class ImagePreprocessing(keras.layers.Layer):
    """Pixels to normalised floats: scale to [0, 1], subtract `mean`, divide by `std`, per channel.

    Integer images are divided by 255. Floating images are taken as they are when they lie in [0, 1]; a batch whose
    largest value exceeds 2 is taken to be on the 0 to 255 scale, because Keras casts uint8 images to float on the way
    into many models (`Sequential`, an `Input` without dtype) and an encoder fed with them would fail silently.

    Args:
        mean: per-channel mean on the [0, 1] scale, or one number. Defaults to ImageNet's.
        std: per-channel standard deviation on the [0, 1] scale, or one number. Defaults to ImageNet's.

    Input: `[N, H, W, C]`, integer or floating. Output: the same shape, in the layer's compute dtype.

    Raises:
        ValueError: if a standard deviation is not positive.

    Example:

    >>> layer = ImagePreprocessing(mean=0.5, std=0.5)
    >>> float(layer(np.full((1, 2, 2, 3), 255, "uint8"))[0, 0, 0, 0])
    1.0
    """

    def __init__(
        self,
        mean: Sequence[float] | float = IMAGENET_MEAN,
        std: Sequence[float] | float = IMAGENET_STD,
        **kwargs: Any,
    ) -> None:
        # Inputs are not autocast: under float16, 255 levels must be scaled before they are rounded.
        super().__init__(autocast=False, **kwargs)
        self.mean, self.std = _numbers(mean), _numbers(std)
        if any(not value > 0 for value in np.atleast_1d(self.std)):
            raise ValueError(f"`std` must be positive. Received: std={std}")
        self.built = True

    def call(self, images: Tensor) -> Tensor:
        return self.normalize(self.to_unit_range(images))

    def to_unit_range(self, images: Tensor) -> Tensor:
        """Integer or floating images as float32 in [0, 1] (see the class)."""
        ops = keras.ops
        images = ops.convert_to_tensor(images)
        unit = ops.cast(images, "float32")
        if "float" not in keras.backend.standardize_dtype(images.dtype):
            return unit * np.float32(1 / 255)
        return unit * ops.where(ops.max(unit) > 2.0, np.float32(1 / 255), np.float32(1.0))

    def normalize(self, images: Tensor) -> Tensor:
        """Images in [0, 1] with the mean subtracted and divided by the standard deviation.

        Raises:
            ValueError: if the images have another number of channels than `mean` or `std`.
        """
        channels = images.shape[-1]
        for name, value in (("mean", self.mean), ("std", self.std)):
            if isinstance(value, list) and len(value) not in (1, channels):
                raise ValueError(
                    f"Images must have one channel for each number of `{name}` ({len(value)}). "
                    f"Received: images of shape {tuple(images.shape)}"
                )
        normalised = (images - np.asarray(self.mean, "float32")) / np.asarray(self.std, "float32")
        return keras.ops.cast(normalised, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        return {**config, "mean": self.mean, "std": self.std}


def _numbers(value: Sequence[float] | float) -> list[float] | float:
    """Plain floats, which JSON keeps as they are."""
    return [float(item) for item in value] if isinstance(value, Sequence | np.ndarray) else float(value)
