"""Which boxes the random crops of a step take, computed on the host."""

from typing import Any

import keras
import numpy as np

from keras_ssl.random import Stream, threefry2x32
from keras_ssl.views.after_crop import leading, pipelines_of
from keras_ssl.views.crop_boxes import BOX_DRAWS, BoxShapes, box_in, box_shapes
from keras_ssl.views.random_resized_crop import RandomResizedCrop
from keras_ssl.views.view import View

_SIDE = 32  # of the images on which a pipeline's draws are counted


class CropPlan:
    """The crops with which views begin, and the boxes that they draw: those of the step, to the bit.

    Args:
        views: a `MultiView` whose pipelines begin with a `RandomResizedCrop` each, or one such pipeline.
        size: side in pixels of crops whose own `size` is None.

    Raises:
        ValueError: if a pipeline begins otherwise.

    Attributes:
        crops: of each pipeline the crop.
        sizes: of each the height and width of the result.

    Example:

    >>> plan = CropPlan(keras_ssl.views.simclr(), size=96)
    >>> plan.sizes, plan.boxes(plan.shapes(seed=0, step=3, positions=np.arange(4)), 1, 375, 500).shape
    ([(96, 96), (96, 96)], (2, 4))
    """

    def __init__(self, views: View, size: int) -> None:
        pipelines = pipelines_of(views)
        self.crops: list[RandomResizedCrop] = [leading(pipeline) for pipeline in pipelines]  # type: ignore[misc]
        self.sizes = [crop.size or (size, size) for crop in self.crops]
        counts: dict[int, int] = {}
        self._first_draws: list[int] = []
        draw = 0
        for pipeline in pipelines:
            if id(pipeline) not in counts:
                counts[id(pipeline)] = _count_draws(pipeline)
            self._first_draws.append(draw)
            draw += counts[id(pipeline)]

    def shapes(self, seed: int, step: int, positions: np.ndarray) -> list[BoxShapes]:
        """For each view what its boxes are made from, of all samples of a batch.

        Args:
            seed, step: of the stream of the step's views.
            positions: of the samples in the global batch, integers `[N]`.
        """
        key = (np.uint32(seed), np.uint32(step))
        numbers = [np.arange(first, first + BOX_DRAWS, dtype=np.uint32) for first in self._first_draws]
        counters = np.broadcast_arrays(positions.astype(np.uint32)[:, np.newaxis], np.concatenate(numbers))
        with np.errstate(over="ignore"):
            words = threefry2x32(key, (counters[0], counters[1]), xp=np)[0]
        draws = (words >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
        parts = np.split(draws, len(self.crops), axis=1)
        return [box_shapes(part, crop.scale, crop.ratio, xp=np) for part, crop in zip(parts, self.crops, strict=True)]

    def boxes(self, shapes: list[BoxShapes], row: int, height: int, width: int) -> np.ndarray:
        """The boxes of the sample in row `row`, in an image of so many pixels.

        Returns:
            int32 `[views, 4]`: top, left, height and width.
        """
        own = [BoxShapes(*(value[row : row + 1] for value in shape)) for shape in shapes]
        boxes: list[Any] = [
            box_in(shape, height, width, crop.ratio, xp=np) for shape, crop in zip(own, self.crops, strict=True)
        ]
        return np.array(boxes, np.int32)[:, :, 0]


def _count_draws(pipeline: View) -> int:
    """How many numbers a pipeline draws, which does not depend on the images."""
    count = 0

    def made(images: Any) -> Any:
        nonlocal count
        stream = Stream(0, 0, np.arange(2))
        result = pipeline.apply(images, stream)
        count = int(stream.next_draw)
        return result

    keras.layers.Lambda(made)(keras.Input((_SIDE, _SIDE, 3), batch_size=2))  # traced, not computed
    return count
