"""The base of classifiers that see random crops of each image."""

from collections.abc import Callable
from typing import ClassVar

from keras_ssl import views as view_ops
from keras_ssl.training.labelled_model import LabelledModel
from keras_ssl.typing import Tensor


class CropModel(LabelledModel):
    """A classifier whose views, by default, are crops of half an image or more with a flip: `view_count` of them, one.

    Args:
        encoder, classes, **kwargs: as for `LabelledModel`.
    """

    monitor: ClassVar[str | None] = "features"
    view_count: ClassVar[int] = 1

    def default_views(self) -> Callable[..., list[Tensor]]:
        crop = view_ops.Compose([view_ops.RandomResizedCrop(scale=(0.5, 1.0)), view_ops.RandomFlip(0.5)])
        return view_ops.MultiView([crop] * self.view_count)
