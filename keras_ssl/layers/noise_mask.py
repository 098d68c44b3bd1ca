"""Smooth random masks that images are multiplied by."""

import math
from typing import Any

import keras
import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import Stream
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor

__all__ = ["NoiseMask", "beta_draws"]

_ATTEMPTS = 5  # of which the first accepted one is taken: none is for one draw in three million


def beta_draws(stream: Stream, log_alpha: Tensor, log_beta: Tensor) -> Tensor:
    """Draws from Beta(alpha, beta) for every sample, by a stream, so that they are the same on all devices.

    A ratio of two Gamma draws, each by Marsaglia and Tsang's rejection with a fixed number of attempts.

    Args:
        stream: of the samples.
        log_alpha, log_beta: logarithms of the parameters, float32 `[N, C]`.

    Returns:
        float32 `[N, C]` in [1e-6, 1 - 1e-6], without a gradient: the ends, where a density may be infinite, are kept
        off.

    Example:

    >>> stream = Stream(seed=0, step=0, positions=np.arange(2000))
    >>> draws = beta_draws(stream, keras.ops.full((2000, 1), np.log(3.0)), keras.ops.zeros((2000, 1)))
    >>> abs(float(keras.ops.mean(draws)) - 0.75) < 0.02  # alpha / (alpha + beta)
    True
    """
    ops = keras.ops
    a, b = (_log_gamma_draws(stream, ops.exp(ops.stop_gradient(p))) for p in (log_alpha, log_beta))
    return ops.clip(ops.sigmoid(a - b), 1e-6, 1.0 - 1e-6)


def _log_gamma_draws(stream: Stream, shape: Tensor) -> Tensor:
    """Logarithms of draws from Gamma(shape): of one from Gamma(shape + 1), times u^(1 / shape)."""
    ops = keras.ops
    cells = shape.shape[1]
    d = (shape + 1.0 - 1.0 / 3.0)[:, None, :]
    x = stream.normal(shape=(_ATTEMPTS, cells))
    log_u = ops.log(1.0 - stream.uniform(shape=(_ATTEMPTS, cells)))
    root = 1.0 + x / ops.sqrt(9.0 * d)
    inside = root > 0.0
    cube = ops.power(ops.where(inside, root, ops.ones_like(root)), 3)
    accepted = ops.logical_and(inside, log_u < 0.5 * ops.square(x) + d * (1.0 - cube + ops.log(cube)))
    first = ops.argmax(ops.cast(accepted, "int32"), axis=1)[:, None, :]
    chosen = ops.take_along_axis(cube, first, axis=1)[:, 0]
    boost = ops.log(1.0 - stream.uniform(shape=(cells,))) / shape
    return ops.log(d[:, 0] * chosen) + boost


@keras.saving.register_keras_serializable(package="keras_ssl")
class NoiseMask(Configured, keras.layers.Layer):
    """Multiplies images by a smooth mask, given as a coarse grid of numbers in [0, 1].

    The grid is enlarged to the image's size (each pixel takes the cell it lies in) and blurred by a Gaussian, which
    stays inside the image: `x * (1 - amplitude * (1 - mask))`. Both steps are one product with a matrix whose rows sum
    to 1, so that the mask stays in the range of the grid.

    Args:
        grid: number of cells along each side. Defaults to 4.
        sigma: standard deviation of the blur, in pixels, 0 or more (0 does not blur). Defaults to 1. (The authors take
            6, cut off beyond 6 pixels, with a grid of 64 on images of 224.)
        amplitude: in [0, 1]: 1 (default) multiplies by the mask, 0 leaves images as they are.
        **kwargs: `name`, `dtype`.

    Call arguments:
        images: `[N, H, W, C]`, H and W known.
        cells: the grid, row by row, `[N, grid * grid]`.

    Raises:
        ValueError: if an argument is out of range or a shape does not fit.

    Example:

    >>> layer = NoiseMask(grid=2, sigma=0.0)
    >>> masked = layer(keras.ops.ones((1, 2, 4, 1)), keras.ops.array([[0.0, 1.0, 0.5, 0.25]]))
    >>> np.asarray(masked)[0, :, :, 0].tolist()
    [[0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 0.25, 0.25]]
    """

    def __init__(self, grid: int = 4, sigma: float = 1.0, amplitude: float = 1.0, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        if not 0.0 <= sigma < math.inf:
            raise ValueError(f"`sigma` must be 0 or more, and finite. Received: sigma={sigma}")
        if not 0.0 <= amplitude <= 1.0:
            raise ValueError(f"`amplitude` must lie in [0, 1]. Received: amplitude={amplitude}")
        self.grid, self.sigma, self.amplitude = check_integer("grid", grid, 1), float(sigma), float(amplitude)
        self.built = True

    def mask(self, cells: Tensor, height: int, width: int) -> Tensor:
        """The mask `[N, height, width, 1]` of a grid, without `amplitude`."""
        ops = keras.ops
        square = ops.reshape(ops.cast(cells, "float32"), (-1, self.grid, self.grid))
        rows, columns = (enlarging_matrix(self.grid, size, self.sigma) for size in (height, width))
        return ops.einsum("hi,nij,wj->nhw", ops.array(rows), square, ops.array(columns))[..., None]

    def call(self, images: Tensor, cells: Tensor) -> Tensor:
        ops = keras.ops
        shape = tuple(images.shape)
        if len(shape) != 4 or None in shape[1:3]:
            raise ValueError(f"`images` must be [N, H, W, C], H and W known. Received: images.shape={shape}")
        if len(cells.shape) != 2 or cells.shape[1] != self.grid**2:
            raise ValueError(f"`cells` must be [N, {self.grid**2}]. Received: cells.shape={tuple(cells.shape)}")
        mask = self.mask(cells, shape[1], shape[2])
        return ops.cast(ops.cast(images, "float32") * (1.0 - self.amplitude * (1.0 - mask)), images.dtype)

    def compute_output_shape(self, images_shape: Any, cells_shape: Any = None) -> Any:
        return images_shape


def enlarging_matrix(cells: int, pixels: int, sigma: float) -> np.ndarray:
    """What enlarges a row of cells to pixels and blurs it: float32 `[pixels, cells]`, rows of sum 1."""
    places = np.arange(pixels)
    enlarged = np.eye(cells)[places * cells // pixels]
    if sigma > 0.0:
        blur = np.exp(-((places[:, None] - places[None, :]) ** 2) / (2.0 * sigma**2))
        enlarged = blur @ enlarged / blur.sum(axis=1, keepdims=True)
    return enlarged.astype("float32")
