"""Images of any size as those that published weights were evaluated on."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_ssl.layers.image_preprocessing import ImagePreprocessing
from keras_ssl.layers.pixel_scale import ANY_VALUE
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor
from keras_ssl.views.functional import crop_and_resize
from keras_ssl.views.functional.crop_and_resize import KERNELS


@keras.saving.register_keras_serializable(package="keras_ssl")
class CenterCrop(keras.layers.Layer):
    """The middle of each image, as a square of `size` pixels: how papers evaluate encoders.

    With `resize` the whole image is resized, with antialiasing, so that its shorter side has that many pixels, and the
    square is cut out, as torchvision's `Resize` and `CenterCrop` do (which round to 255 levels in between, where
    this does not). With `proportion` a square of that part of the shorter side is cut out first and then resized, as
    SimCLR does (which resizes without antialiasing, where this has it).

    Args:
        size: side of the result in pixels.
        resize: the shorter side in pixels before the square is cut out; at least `size`.
        proportion: of the shorter side, in (0, 1]. Exactly one of `resize` and `proportion` must be given.
        interpolation: "bilinear" (default) or "bicubic".
        value_range: as for `keras_ssl.layers.ImagePreprocessing`. Defaults to None: the type of the images decides.

    Input: `[N, H, W, C]`, pixels as `keras_ssl.layers.ImagePreprocessing` takes them, of known height and width.
    Output: `[N, size, size, C]`, float32 in [0, 1], or as they were with the range `(-inf, inf)`.

    Raises:
        ValueError: if an argument has none of the values above, or when called if the height or width is unknown.

    Example:

    >>> tuple(CenterCrop(224, resize=256)(np.zeros((1, 300, 400, 3), "uint8")).shape)
    (1, 224, 224, 3)
    """

    def __init__(
        self,
        size: int,
        resize: int | None = None,
        proportion: float | None = None,
        interpolation: str = "bilinear",
        value_range: Sequence[float] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, dtype="float32", **kwargs)
        self.size = check_integer("size", size, 1)
        if (resize is None) == (proportion is None):
            raise ValueError(
                "Exactly one of `resize` and `proportion` must be given. "
                f"Received: resize={resize}, proportion={proportion}"
            )
        self.resize = None if resize is None else check_integer("resize", resize, size)
        if proportion is not None and not 0.0 < proportion <= 1.0:
            raise ValueError(f"`proportion` must lie in (0, 1]. Received: proportion={proportion}")
        self.proportion = proportion
        if interpolation not in KERNELS:
            raise ValueError(
                f"`interpolation` must be one of {sorted(KERNELS)}. Received: interpolation={interpolation!r}"
            )
        self.interpolation = interpolation
        self._pixels = ImagePreprocessing(mean=0.0, std=1.0, value_range=value_range, dtype="float32")
        self.built = True

    def call(self, images: Tensor) -> Tensor:
        images = self._pixels(images)
        height, width = images.shape[1:3]
        if height is None or width is None:
            raise ValueError(f"Images must have a known height and width. Received: images.shape={images.shape}")
        box, size = self._cut(height, width)
        count = ops.shape(images)[0]
        top, left, rows, columns = (ops.full((count,), number, dtype="int32") for number in box)
        resized = crop_and_resize(images, top, left, rows, columns, size, self.interpolation)
        above, before = (round((length - self.size) / 2) for length in size)
        cut = resized[:, above : above + self.size, before : before + self.size]
        # Bicubic interpolation overshoots, which files of 255 levels cannot hold.
        return cut if self._pixels.value_range == ANY_VALUE else ops.clip(cut, 0.0, 1.0)

    def _cut(self, height: int, width: int) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
        """What is cut out of an image, as top, left, height and width, and the size to which it is resized."""
        shorter = min(height, width)
        if self.resize is not None:
            return (0, 0, height, width), (self.resize * height // shorter, self.resize * width // shorter)
        side = int(np.rint((self.proportion or 1.0) * shorter))
        return ((height - side + 1) // 2, (width - side + 1) // 2, side, side), (self.size, self.size)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], self.size, self.size, input_shape[3])

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["dtype"]
        own = {name: getattr(self, name) for name in ("size", "resize", "proportion", "interpolation")}
        own["value_range"] = self._pixels.get_config()["value_range"]
        return {**config, **own}
