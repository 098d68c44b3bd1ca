"""Change brightness, contrast, saturation and hue at random."""

import math
from collections.abc import Sequence
from numbers import Real
from typing import Any

import keras
from keras import ops

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.functional.color_jitter import color_jitter
from keras_ssl.views.validation import check_range
from keras_ssl.views.view import View

_MIDDLE = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}


def _factors(name: str, value: float | Sequence[float]) -> tuple[float, float]:
    """The range of factors that an argument means: a number `v` stands for `middle - v ... middle + v`."""
    lowest, highest = (-0.5, 0.5) if name == "hue" else (0.0, float("inf"))
    if isinstance(value, Sequence):
        return check_range(name, value, lowest, highest)
    if not isinstance(value, Real) or not 0.0 <= value <= highest or not math.isfinite(value):
        raise ValueError(
            f"Argument `{name}` must be a number in [0, {highest}] or an ascending pair. Received: {name}={value!r}"
        )
    middle = _MIDDLE[name]
    return max(lowest, middle - float(value)), middle + float(value)


@keras.saving.register_keras_serializable(package="keras_ssl")
class ColorJitter(View):
    """Changes the colors of each image by random factors, in a random order, as torchvision does.

    Brightness multiplies by `b`; contrast is `c * image + (1 - c) * m` with m the image's mean in gray;
    saturation is `s * image + (1 - s) * gray`; hue turns the color wheel by `h`. After each, the result is
    clipped to [0, 1]. The papers apply it to 80 % of the images:
    `RandomApply(ColorJitter(0.4, 0.4, 0.2, 0.1), 0.8)`.

    Images of one channel keep their saturation and hue. Brightness and contrast alone take images of any number of
    channels, whose gray is the mean of the channels; with saturation or hue, others than 1 or 3 are an error when the
    view is called.

    Args:
        brightness: a number `v` for factors in `[max(0, 1 - v), 1 + v]`, or the pair of them itself; default 0.
        contrast: likewise. Defaults to 0.
        saturation: likewise. Defaults to 0.
        hue: a number `v <= 0.5` for turns in `[-v, v]`, or a pair in [-0.5, 0.5]; default 0.

    Raises:
        ValueError: if a number is negative, a pair descends or leaves its range, or a hue exceeds 0.5.

    Example:

    >>> from keras_ssl.views import ColorJitter
    >>> view = ColorJitter(0.4, 0.4, 0.2, 0.1)
    >>> [round(v, 1) for v in view.ranges["brightness"]]
    [0.6, 1.4]
    """

    def __init__(
        self,
        brightness: float | Sequence[float] = 0.0,
        contrast: float | Sequence[float] = 0.0,
        saturation: float | Sequence[float] = 0.0,
        hue: float | Sequence[float] = 0.0,
    ) -> None:
        self.arguments = {
            "brightness": brightness,
            "contrast": contrast,
            "saturation": saturation,
            "hue": hue,
        }
        self.ranges = {name: _factors(name, value) for name, value in self.arguments.items()}
        # What can only change nothing is left out: it costs nothing and draws nothing.
        self.ranges = {name: r for name, r in self.ranges.items() if r != (_MIDDLE[name], _MIDDLE[name])}
        self.colors = "saturation" in self.ranges or "hue" in self.ranges

    @property
    def is_random(self) -> bool:
        return len(self.ranges) > 1 or any(low < high for low, high in self.ranges.values())

    def apply(self, images: Tensor, stream: Stream) -> Tensor:
        if not self.ranges:
            return images
        # One request for all numbers: every request puts another hash into the graph, which takes time to compile.
        count = len(self.ranges)
        draws = stream.uniform(shape=(2 * count,))
        places = ops.argsort(draws[:, :count], axis=1)
        factors = {
            name: low + (high - low) * draws[:, count + k] for k, (name, (low, high)) in enumerate(self.ranges.items())
        }
        return color_jitter(images, places, **factors)

    def get_config(self) -> dict[str, Any]:
        arguments = {
            name: list(value) if isinstance(value, Sequence) else float(value) for name, value in self.arguments.items()
        }
        return {**super().get_config(), **arguments}
