"""Several views of every image."""

from collections.abc import Sequence
from typing import ClassVar

import keras

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.view import View
from keras_ssl.views.view_list import ViewList


@keras.saving.register_keras_serializable(package="keras_ssl")
class MultiView(ViewList):
    """Makes a list of views, one per pipeline; each pipeline draws its own numbers from the same stream.

    Args:
        pipelines: the views, at least one; they may differ, also in the size of their results (multi-crop).

    Raises:
        ValueError: if `pipelines` is empty or holds something else than views that give one result each.

    Example:

    >>> import numpy as np
    >>> from keras_ssl.random import Stream
    >>> from keras_ssl.views import MultiView, RandomResizedCrop
    >>> crops = MultiView([RandomResizedCrop(8), RandomResizedCrop(4)])
    >>> views = crops(np.zeros((2, 8, 8, 3), "uint8"), Stream(seed=0, step=0, positions=np.arange(2)))
    >>> [tuple(view.shape) for view in views]
    [(2, 8, 8, 3), (2, 4, 4, 3)]
    """

    argument: ClassVar[str] = "pipelines"
    makes_list = True

    def __init__(self, pipelines: Sequence[View]) -> None:
        super().__init__(pipelines)

    def apply(self, images: Tensor, stream: Stream) -> list[Tensor]:
        return [view.apply(images, stream) for view in self.views]
