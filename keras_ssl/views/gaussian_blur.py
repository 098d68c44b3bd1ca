"""Blur every image with a random sigma."""

from collections.abc import Sequence

import keras

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.functional.gaussian_blur import gaussian_blur
from keras_ssl.views.validation import check_range
from keras_ssl.views.view import View


@keras.saving.register_keras_serializable(package="keras_ssl")
class GaussianBlur(View):
    """Blurs each image with its own sigma, drawn uniformly; the edges are reflected.

    Args:
        sigma: range of the standard deviation in pixels, or one number; default (0.1, 2.0), the papers' range
            at 224 pixels.
        kernel_size: odd number of taps. Default None: `2 * max(1, side // 20) + 1` of the image's shorter
            side, which is SimCLR's tenth of the side (23 at 224 pixels, 9 at 96), and at least 3.

    Raises:
        ValueError: if sigma is not a positive ascending pair, or `kernel_size` is even or not positive.

    Example:

    >>> import numpy as np
    >>> from keras_ssl.random import Stream
    >>> from keras_ssl.views import GaussianBlur
    >>> stream = Stream(seed=0, step=0, positions=np.arange(2))
    >>> tuple(GaussianBlur()(np.zeros((2, 32, 32, 3), "uint8"), stream).shape)
    (2, 32, 32, 3)

    Reference: [A Simple Framework for Contrastive Learning of Visual Representations](
    https://arxiv.org/abs/2002.05709), appendix A.
    """

    sums_neighbors = True

    def __init__(self, sigma: float | Sequence[float] = (0.1, 2.0), kernel_size: int | None = None) -> None:
        pair = sigma if isinstance(sigma, Sequence) else (sigma, sigma)
        self.sigma = check_range("sigma", pair, 0.0, float("inf"), above=True)
        odd = isinstance(kernel_size, int) and kernel_size > 0 and kernel_size % 2 == 1
        if kernel_size is not None and not odd:
            raise ValueError(
                f"Argument `kernel_size` must be None or a positive odd number. Received: kernel_size={kernel_size!r}"
            )
        self.kernel_size = kernel_size

    @property
    def is_random(self) -> bool:
        return self.sigma[0] < self.sigma[1]

    def apply(self, images: Tensor, stream: Stream) -> Tensor:
        kernel_size = self.kernel_size
        if kernel_size is None:
            kernel_size = 2 * max(1, min(images.shape[1:3]) // 20) + 1
        return gaussian_blur(images, stream.uniform(*self.sigma), kernel_size)
