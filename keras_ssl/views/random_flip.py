"""Mirror images at random."""

import keras

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.functional.flip import AXES, flip
from keras_ssl.views.validation import check_probability
from keras_ssl.views.view import View


@keras.saving.register_keras_serializable(package="keras_ssl")
class RandomFlip(View):
    """Mirrors each image with the given probability.

    Args:
        probability: in [0, 1]; default 0.5.
        direction: `"horizontal"` (default) swaps left and right, `"vertical"` swaps top and bottom.

    Raises:
        ValueError: for another probability or direction.

    Example:

    >>> from keras_ssl.random import Stream
    >>> from keras_ssl.views import RandomFlip
    >>> stream = Stream(seed=0, step=0, positions=[0])
    >>> [float(v) for v in RandomFlip(1.0)([[[[0.0], [1.0]]]], stream)[0, 0, :, 0]]
    [1.0, 0.0]
    """

    def __init__(self, probability: float = 0.5, direction: str = "horizontal") -> None:
        self.probability = check_probability("probability", probability)
        if direction not in AXES:
            raise ValueError(
                f"Argument `direction` must be 'horizontal' or 'vertical'. Received: direction={direction!r}"
            )
        self.direction = direction

    @property
    def is_random(self) -> bool:
        return 0.0 < self.probability < 1.0

    def apply(self, images: Tensor, stream: Stream) -> Tensor:
        return flip(images, stream.bernoulli(self.probability), self.direction)
