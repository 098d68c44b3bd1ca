"""Crop a random box of each image and resize it."""

from collections.abc import Sequence

import keras
from keras import ops

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.crop_boxes import BOX_DRAWS, box_in, box_shapes
from keras_ssl.views.functional.crop_and_resize import KERNELS, crop_and_resize
from keras_ssl.views.validation import check_range, check_size
from keras_ssl.views.view import View


@keras.saving.register_keras_serializable(package="keras_ssl")
class RandomResizedCrop(View):
    """Crops a box of random area, shape and place from each image and resizes it with antialiasing.

    As torchvision does: the box's area is uniform in `scale` times the image's, its width over height
    log-uniform in `ratio`; both sides are rounded to whole pixels; the first of ten draws that fits into the
    image is placed uniformly, and if none fits the box is the largest central one whose shape lies within
    `ratio`.

    Which box is drawn is the same to the bit on every backend, eager and compiled: areas are drawn in steps
    of 2**-15 of the image's area and log-ratios in 2**16 steps, and computed from them without a rounding
    that could differ.

    Args:
        size: side of the result in pixels, or (height, width); default None keeps the images' own.
        scale: range of the box's area as a fraction of the image's, in (0, 1]; default (0.08, 1.0).
        ratio: range of the box's width over its height; default (3/4, 4/3).
        interpolation: `"bilinear"` (default), or `"bicubic"`, clipped to [0, 1] where it overshoots.

    Raises:
        ValueError: if a size is not positive, a range is not ascending or leaves its bounds, or for another
            interpolation.

    Example:

    >>> import numpy as np
    >>> from keras_ssl.random import Stream
    >>> from keras_ssl.views import RandomResizedCrop
    >>> stream = Stream(seed=0, step=0, positions=np.arange(2))
    >>> tuple(RandomResizedCrop(24)(np.zeros((2, 32, 32, 3), "uint8"), stream).shape)
    (2, 24, 24, 3)

    Reference: [Going Deeper with Convolutions](https://arxiv.org/abs/1409.4842), section 6.
    """

    sums_neighbors = True

    def __init__(
        self,
        size: int | Sequence[int] | None = None,
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: str = "bilinear",
    ) -> None:
        self.size = None if size is None else check_size("size", size)
        self.scale = check_range("scale", scale, 0.0, 1.0, above=True)
        self.ratio = check_range("ratio", ratio, 0.0, float("inf"), above=True)
        if interpolation not in KERNELS:
            raise ValueError(
                f"Argument `interpolation` must be one of {sorted(KERNELS)}. Received: interpolation={interpolation!r}"
            )
        self.interpolation = interpolation

    @property
    def is_random(self) -> bool:
        # Of the whole area one box fits; where an image is not square, rounding lets one by a pixel narrower in.
        return self.scale[0] < 1.0

    def boxes(self, stream: Stream, height: int, width: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Draws one box per sample of an image of `height` times `width` pixels.

        Returns:
            The int32 tensors `[N]` top, left, box height and box width.
        """
        # One request for all numbers: every request puts another hash into the graph, which takes time to compile.
        shapes = box_shapes(stream.uniform(shape=(BOX_DRAWS,)), self.scale, self.ratio)
        return box_in(shapes, height, width, self.ratio)

    def apply(self, images: Tensor, stream: Stream) -> Tensor:
        height, width = images.shape[1:3]
        box = self.boxes(stream, height, width)
        crops = crop_and_resize(images, *box, self.size or (height, width), self.interpolation)
        return ops.clip(crops, 0.0, 1.0) if self.interpolation == "bicubic" else crops
