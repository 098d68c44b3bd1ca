"""A few large and many small crops of every image."""

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.views.compose import Compose
from keras_ssl.views.multi_view import MultiView
from keras_ssl.views.random_resized_crop import RandomResizedCrop
from keras_ssl.views.view import View, deserialize_view, equal_views_once, serialize_view


@keras.saving.register_keras_serializable(package="keras_ssl")
class MultiCrop(MultiView):
    """Makes global views of every image, and local ones, which are usually smaller crops at a lower resolution.

    The global views come first, then the local ones. Each pipeline draws its own numbers. Objectives for multi-crop
    (`SwAV`, `DINO`) take their targets from the global views alone.

    Args:
        global_views: pipelines of the global views, at least one.
        local_views: pipelines of the local views; default none.

    Raises:
        ValueError: if `global_views` is empty, or one of the two holds something else than views that give one
            result each.

    Example:

    >>> import numpy as np
    >>> from keras_ssl.random import Stream
    >>> from keras_ssl.views import MultiCrop, RandomResizedCrop
    >>> crops = MultiCrop([RandomResizedCrop(8, scale=(0.4, 1.0))] * 2, [RandomResizedCrop(4, scale=(0.05, 0.4))] * 3)
    >>> views = crops(np.zeros((2, 8, 8, 3), "uint8"), Stream(seed=0, step=0, positions=np.arange(2)))
    >>> [tuple(view.shape[1:3]) for view in views]
    [(8, 8), (8, 8), (4, 4), (4, 4), (4, 4)]

    Reference: [Unsupervised Learning of Visual Features by Contrasting Cluster Assignments](
    https://arxiv.org/abs/2006.09882), section 3.2.
    """

    argument: ClassVar[str] = "global_views"

    def __init__(self, global_views: Sequence[View], local_views: Sequence[View] = ()) -> None:
        super().__init__(global_views)
        self.global_views = self.views
        self.local_views = MultiView(local_views).views if len(local_views) else []
        self.views = [*self.global_views, *self.local_views]
        self.supports_jit = all(view.supports_jit for view in self.views)
        self.colors = any(view.colors for view in self.views)

    @classmethod
    def from_sizes(
        cls,
        ops: Sequence[View] = (),
        *,
        global_copies: int = 2,
        local_copies: int = 6,
        global_size: int | None = None,
        local_size: int | None = None,
        global_scale: Sequence[float] = (0.14, 1.0),
        local_scale: Sequence[float] = (0.05, 0.14),
        interpolation: str = "bilinear",
    ) -> Self:
        """Crops of two sizes and scales, followed by the same ops.

        Args:
            ops: what is done to every crop, in order; default nothing.
            global_copies: number of global crops; default 2.
            local_copies: number of local crops; default 6.
            global_size: side of the global crops in pixels; default None keeps the images' own.
            local_size: side of the local crops; default None likewise.
            global_scale: range of the global crops' area as a fraction of the image's; default (0.14, 1.0), SwAV's.
            local_scale: that of the local crops; default (0.05, 0.14), SwAV's.
            interpolation: as for `RandomResizedCrop`; default "bilinear".

        Returns:
            A `MultiCrop`.

        Raises:
            ValueError: as the views do, or if a number of copies is not an integer of at least 1 (local: 0).
        """
        global_copies = check_integer("global_copies", global_copies, 1)
        local_copies = check_integer("local_copies", local_copies, 0)

        def pipeline(size: int | None, scale: Sequence[float]) -> View:
            return Compose([RandomResizedCrop(size, scale=scale, interpolation=interpolation), *ops])

        return cls(
            [pipeline(global_size, global_scale)] * global_copies,
            [pipeline(local_size, local_scale)] * local_copies if local_copies else [],
        )

    def get_config(self) -> dict[str, Any]:
        return {
            "global_views": [serialize_view(view) for view in self.global_views],
            "local_views": [serialize_view(view) for view in self.local_views],
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        with equal_views_once():
            return cls(**{name: [deserialize_view(view) for view in views] for name, views in config.items()})
