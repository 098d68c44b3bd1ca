"""Invert the bright pixels of every image."""

import keras

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.functional.solarize import solarize
from keras_ssl.views.validation import check_probability
from keras_ssl.views.view import View


@keras.saving.register_keras_serializable(package="keras_ssl")
class Solarize(View):
    """Replaces every value `x >= threshold` by `1 - x`.

    The papers apply it to a fifth of the second views: `RandomApply(Solarize(), 0.2)`.

    Args:
        threshold: in [0, 1]; default 0.5, which is the 128 of images in uint8.

    Raises:
        ValueError: for another threshold.

    Example:

    >>> from keras_ssl.random import Stream
    >>> from keras_ssl.views import Solarize
    >>> stream = Stream(seed=0, step=0, positions=[0])
    >>> float(Solarize()([[[[0.75]]]], stream)[0, 0, 0, 0])
    0.25
    """

    def __init__(self, threshold: float = 0.5) -> None:
        self.threshold = check_probability("threshold", threshold)

    @property
    def is_random(self) -> bool:
        return False

    def apply(self, images: Tensor, stream: Stream) -> Tensor:
        return solarize(images, self.threshold)
