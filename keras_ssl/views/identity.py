"""The view that changes nothing."""

import keras

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.view import View


@keras.saving.register_keras_serializable(package="keras_ssl")
class Identity(View):
    """Returns the images (uint8 as float32 in [0, 1]) and draws nothing.

    Example:

    >>> from keras_ssl.random import Stream
    >>> from keras_ssl.views import Identity
    >>> stream = Stream(seed=0, step=0, positions=[0])
    >>> float(Identity()([[[[0.25]]]], stream)[0, 0, 0, 0])
    0.25
    """

    @property
    def is_random(self) -> bool:
        return False

    def apply(self, images: Tensor, stream: Stream) -> Tensor:
        return images
