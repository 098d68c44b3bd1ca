"""Remove the color of images at random."""

import keras
from keras import ops

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.functional.adjust_color import rgb_to_grayscale
from keras_ssl.views.functional.per_sample import per_sample
from keras_ssl.views.validation import check_probability
from keras_ssl.views.view import View


@keras.saving.register_keras_serializable(package="keras_ssl")
class RandomGrayscale(View):
    """Replaces the three channels of an image by `0.2989 R + 0.587 G + 0.114 B`, with the given probability.

    Images of one channel stay as they are; other numbers of channels are an error when the view is called.

    Args:
        probability: in [0, 1]; default 0.2, as in SimCLR, BYOL, Barlow Twins and MoCo v2.

    Raises:
        ValueError: for another probability.

    Example:

    >>> from keras_ssl.random import Stream
    >>> from keras_ssl.views import RandomGrayscale
    >>> stream = Stream(seed=0, step=0, positions=[0])
    >>> round(float(RandomGrayscale(1.0)([[[[0.0, 1.0, 0.0]]]], stream)[0, 0, 0, 0]), 3)
    0.587
    """

    colors = True

    def __init__(self, probability: float = 0.2) -> None:
        self.probability = check_probability("probability", probability)

    @property
    def is_random(self) -> bool:
        return 0.0 < self.probability < 1.0

    def apply(self, images: Tensor, stream: Stream) -> Tensor:
        chosen = per_sample(stream.bernoulli(self.probability), dtype="bool")
        return ops.where(chosen, rgb_to_grayscale(images), images)
