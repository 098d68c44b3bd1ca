"""The one place where pixels become an encoder's input."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.layers.pixel_scale import can_leave, check_value_range, inside, nan_unless, to_unit_range
from keras_ssl.typing import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@keras.saving.register_keras_serializable(package="keras_ssl")
class ImagePreprocessing(keras.layers.Layer):
    """Pixels to normalized floats: scale to [0, 1], subtract `mean`, divide by `std`, per channel.

    The type of the images decides their scale, or `value_range`; never their values (see
    `keras_ssl.layers.pixel_scale`): uint8 is divided by 255, uint16 by 65535, and floats are taken as they are, in
    [0, 1]. Other integers are an error without a `value_range`. An image with a value outside its range by more than
    a thousandth becomes NaN as a whole, for compiled code cannot raise: uint8 images that were cast to floats before,
    say by a `keras.Input` without `dtype="uint8"`. The other images of the batch stay as they are. An encoder may lose
    the NaN again: see `NaNGuard`.

    Args:
        mean: per-channel mean on the [0, 1] scale, or one number. Defaults to ImageNet's.
        std: per-channel standard deviation on the [0, 1] scale, or one number. Defaults to ImageNet's.
        value_range: `(low, high)`, the values that stand for 0 and 1, in images of whatever type: `(-1, 1)`, or
            `(0, 4095)` for scans of 12 bits. `(-inf, inf)` takes values as they are, such as reflectance or decibels,
            and none is outside: `mean` and `std` are in their units then. Defaults to None: the type decides.
        clip: `(low, high)` to which the normalized values are clipped. Defaults to None: they are not.

    Input: `[N, H, W, C]`, uint8, uint16 or floating in [0, 1]; of any type where there is a `value_range`. Output: the
    same shape, in the layer's compute dtype.

    Raises:
        ValueError: if a standard deviation is not positive, or `value_range` or `clip` is not two numbers in ascending
            order; when called, for a type that has no scale.

    Example:

    >>> layer = ImagePreprocessing(mean=0.5, std=0.5)
    >>> float(layer(np.full((1, 2, 2, 3), 255, "uint8"))[0, 0, 0, 0])
    1.0
    >>> float(ImagePreprocessing(0.5, 0.5, value_range=(0, 4095))(np.full((1, 2, 2, 3), 4095, "int16"))[0, 0, 0, 0])
    1.0
    >>> reflectance = ImagePreprocessing(0.0, 10_000.0, value_range=(float("-inf"), float("inf")), clip=(0.0, 1.0))
    >>> reflectance(np.array([[[[5000]], [[12000]]]], "uint16"))[0, :, 0, 0].numpy().tolist()
    [0.5, 1.0]
    """

    def __init__(
        self,
        mean: Sequence[float] | float = IMAGENET_MEAN,
        std: Sequence[float] | float = IMAGENET_STD,
        value_range: Sequence[float] | None = None,
        clip: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        # Inputs are not autocast: under float16, 255 levels must be scaled before they are rounded.
        super().__init__(autocast=False, **kwargs)
        self.mean, self.std = _numbers(mean), _numbers(std)
        if any(not value > 0 for value in np.atleast_1d(self.std)):
            raise ValueError(f"`std` must be positive. Received: std={std}")
        self.value_range = check_value_range(value_range, unbounded=True)
        try:
            self.clip = check_value_range(clip)
        except ValueError:
            raise ValueError(
                f"`clip` must be None or two finite numbers in ascending order. Received: clip={clip!r}"
            ) from None
        self.built = True

    def call(self, images: Tensor) -> Tensor:
        images = keras.ops.convert_to_tensor(images)
        unit = self.to_unit_range(images)
        if can_leave(keras.backend.standardize_dtype(images.dtype), self.value_range):
            unit = nan_unless(inside(unit), unit)
        return self.normalize(unit)

    def to_unit_range(self, images: Tensor) -> Tensor:
        """Images as float32 in [0, 1], their values not checked."""
        return to_unit_range(images, self.value_range)

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
        normalized = (images - np.asarray(self.mean, "float32")) / np.asarray(self.std, "float32")
        if self.clip is not None:
            normalized = keras.ops.clip(normalized, *self.clip)
        return keras.ops.cast(normalized, self.compute_dtype)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        value_range = None if self.value_range is None else list(self.value_range)
        return {**config, "mean": self.mean, "std": self.std, "value_range": value_range} | (
            {} if self.clip is None else {"clip": list(self.clip)}
        )


def _numbers(value: Sequence[float] | float) -> list[float] | float:
    """Plain floats, which JSON keeps as they are."""
    return [float(item) for item in value] if isinstance(value, Sequence | np.ndarray) else float(value)
