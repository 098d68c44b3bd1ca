"""The views' kernels: deterministic functions of a batch `[N, H, W, C]` and one parameter per sample `[N]`.

The view ops draw the parameters and call these. They compute what torchvision's functions of the same names
compute, for a whole batch at once, without gathers, and compile under XLA.
"""

from keras_ssl.views.functional.adjust_color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    rgb_to_grayscale,
)
from keras_ssl.views.functional.color_jitter import color_jitter
from keras_ssl.views.functional.crop_and_resize import crop_and_resize
from keras_ssl.views.functional.flip import flip
from keras_ssl.views.functional.gaussian_blur import gaussian_blur
from keras_ssl.views.functional.normalize import normalize
from keras_ssl.views.functional.solarize import solarize

__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_hue",
    "adjust_saturation",
    "color_jitter",
    "crop_and_resize",
    "flip",
    "gaussian_blur",
    "normalize",
    "rgb_to_grayscale",
    "solarize",
]
