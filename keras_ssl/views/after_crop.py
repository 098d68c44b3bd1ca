"""Views of crops that a reader of files has cut already."""

import keras

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.compose import Compose
from keras_ssl.views.crop_boxes import BOX_DRAWS
from keras_ssl.views.multi_view import MultiView
from keras_ssl.views.random_resized_crop import RandomResizedCrop
from keras_ssl.views.view import View


@keras.saving.register_keras_serializable(package="keras_ssl")
class AfterCrop(View):
    """Stands in the place of a `RandomResizedCrop` whose work is done: takes its numbers, and leaves the images.

    So the views behind it draw what they would have drawn behind the crop itself.

    Example:

    >>> import numpy as np
    >>> from keras_ssl.views.after_crop import AfterCrop
    >>> stream = Stream(seed=0, step=0, positions=np.arange(2))
    >>> images = AfterCrop()(np.zeros((2, 8, 8, 3), "uint8"), stream)
    >>> tuple(images.shape), stream.next_draw
    ((2, 8, 8, 3), 22)
    """

    @property
    def is_random(self) -> bool:
        return False

    def apply(self, images: Tensor, stream: Stream) -> Tensor:
        stream.skip(BOX_DRAWS)
        return images


def pipelines_of(views: View) -> list[View]:
    """The pipelines of views that begin with a random crop each.

    Args:
        views: a `MultiView`, such as the papers' views, or a single pipeline.

    Raises:
        ValueError: if a pipeline does not begin with a `RandomResizedCrop`.
    """
    plain = isinstance(views, MultiView) and type(views).apply is MultiView.apply
    pipelines: list[View] = list(views.views) if plain and isinstance(views, MultiView) else [views]
    for pipeline in pipelines:
        if not isinstance(pipeline, View) or type(leading(pipeline)) is not RandomResizedCrop:
            raise ValueError(
                "Argument `crops` must be views of `keras_ssl.views` of which each begins with a `RandomResizedCrop`. "
                f"Received: crops={views!r}"
            )
    return pipelines


def leading(pipeline: View) -> View:
    """The view with which a pipeline begins."""
    plain = isinstance(pipeline, Compose) and type(pipeline).apply is Compose.apply
    return leading(pipeline.views[0]) if plain and isinstance(pipeline, Compose) else pipeline


def without_crops(views: View) -> MultiView:
    """The same views for crops of each image, one for each pipeline: `AfterCrop` is in the place of the crops.

    Pipelines that are one object stay one object, and so do the views in them, which are compiled once.

    Args:
        views: as for `pipelines_of`.
    """
    made: dict[int, View] = {}

    def rest(pipeline: View) -> View:
        if id(pipeline) not in made:
            views = pipeline.views if isinstance(pipeline, Compose) else []
            made[id(pipeline)] = Compose([rest(views[0]), *views[1:]]) if views else AfterCrop()
        return made[id(pipeline)]

    return MultiView([rest(pipeline) for pipeline in pipelines_of(views)])
