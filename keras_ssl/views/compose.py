"""One view after another."""

from collections.abc import Sequence
from typing import ClassVar

import keras

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.view import View
from keras_ssl.views.view_list import ViewList


@keras.saving.register_keras_serializable(package="keras_ssl")
class Compose(ViewList):
    """Applies views in order, each drawing its own numbers.

    Args:
        ops: the views, at least one.

    Raises:
        ValueError: if `ops` is empty or holds something else than views that give one result each.

    Example:

    >>> from keras_ssl.views import Compose, RandomFlip, RandomGrayscale
    >>> view = Compose([RandomFlip(), RandomGrayscale(0.2)])
    >>> Compose.from_config(view.get_config()) == view
    True
    """

    argument: ClassVar[str] = "ops"

    def __init__(self, ops: Sequence[View]) -> None:
        super().__init__(ops)

    def apply(self, images: Tensor, stream: Stream) -> Tensor:
        for view in self.views:
            images = view.apply(images, stream)
        return images
