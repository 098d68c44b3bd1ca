"""Standardise the channels of every image."""

from collections.abc import Sequence

import keras

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.functional.normalize import normalize
from keras_ssl.views.view import View


@keras.saving.register_keras_serializable(package="keras_ssl")
class Normalize(View):
    """Computes `(images - mean) / std`, channel by channel.

    The recipes do not hold it: the model normalizes its input itself, because it needs the same at inference.

    Args:
        mean: one number, or a list of one per channel, on the scale of images in [0, 1].
        std: likewise; positive.

    Raises:
        ValueError: if the lists' lengths differ or a std is not positive, and when called if there is not one entry
            per channel.

    Example:

    >>> from keras_ssl.random import Stream
    >>> from keras_ssl.views import Normalize
    >>> stream = Stream(seed=0, step=0, positions=[0])
    >>> float(Normalize(mean=0.5, std=0.25)([[[[1.0]]]], stream)[0, 0, 0, 0])
    2.0
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]) -> None:
        self.mean = [float(v) for v in mean] if isinstance(mean, Sequence) else [float(mean)]
        self.std = [float(v) for v in std] if isinstance(std, Sequence) else [float(std)]
        if not self.mean or len(self.mean) != len(self.std):
            raise ValueError(f"Arguments `mean` and `std` must be of one length. Received: mean={mean!r}, std={std!r}")
        if not all(v > 0.0 for v in self.std):
            raise ValueError(f"Argument `std` must be positive. Received: std={std!r}")

    @property
    def is_random(self) -> bool:
        return False

    @property
    def unit_range(self) -> bool:
        return False

    def apply(self, images: Tensor, stream: Stream) -> Tensor:
        if len(self.mean) not in (1, images.shape[-1]):
            raise ValueError(f"Normalize holds {len(self.mean)} channels. Received: images.shape={tuple(images.shape)}")
        return normalize(images, self.mean, self.std)
