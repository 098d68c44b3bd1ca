"""The scattering transform of images: fixed wavelets, moduli and averages."""

from typing import Any

import keras
import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.signature_config import Configured
from keras_ssl.typing import Tensor


def gaussian(sigma: float) -> np.ndarray:
    """A one-dimensional Gaussian of sum 1, cut off at three standard deviations; float64."""
    radius = int(np.ceil(3.0 * sigma))
    values = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2.0 * sigma**2))
    return values / values.sum()


def morlet(sigma: float, frequency: float, angle: float, slant: float) -> np.ndarray:
    """A two-dimensional Morlet wavelet of mean zero, cut off at three standard deviations; complex128.

    A plane wave of `frequency` radians per pixel in the direction `angle`, under a Gaussian of standard deviation
    `sigma` along it and `sigma / slant` across, less the Gaussian that makes the sum zero.
    """
    radius = int(np.ceil(3.0 * sigma / min(slant, 1.0)))
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype("float64")
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    envelope = np.exp(-(along**2 + (slant * across) ** 2) / (2.0 * sigma**2))
    envelope /= envelope.sum()
    wave = envelope * np.exp(1j * frequency * along)
    return wave - envelope * wave.sum()


@keras.saving.register_keras_serializable(package="keras_ssl")
class ScatteringTransform2D(Configured, keras.layers.Layer):
    r"""Averages of an image, of the moduli of its wavelet transform, and of theirs: features without any training.

    With `phi` a Gaussian low-pass and `psi_j,a` Morlet wavelets of scale `2^j` and angle `a`, every channel `x` of an
    image gives, averaged by `phi` and sampled every `2^scales` pixels:

    - order 0: `x * phi`, 1 map;
    - order 1: `|x * psi_j,a| * phi`, `scales * angles` maps;
    - order 2: `||x * psi_j,a| * psi_k,b| * phi` with `k > j`, `angles^2 scales (scales - 1) / 2` maps.

    The wavelets have standard deviation `0.8 * 2^j` and frequency `3 pi / 4 * 2^-j`, the low-pass
    `0.8 * 2^(scales - 1)`. Borders are reflected, so that a constant image gives 0 in orders 1 and 2. It has no
    weights, and computes in float32 under every policy.

    Args:
        scales: J, at least 1. Defaults to 2.
        angles: L, at least 1. Defaults to 8.
        order: highest order, 0, 1 or 2. Defaults to 2.

    Input: `[N, H, W, C]`, larger than the reach of the largest wavelet, so that it can be reflected. Output:
    `[N, ceil(H / 2^J), ceil(W / 2^J), C * maps]`, the maps of a channel together.

    Raises:
        ValueError: if an argument is out of range, or the images are too small.

    Example:

    >>> layer = ScatteringTransform2D(scales=1, angles=4, order=1)
    >>> tuple(layer(keras.ops.zeros((2, 16, 16, 3))).shape)
    (2, 8, 8, 15)

    Reference:
        Bruna and Mallat, "Invariant Scattering Convolution Networks", TPAMI 2013; Kinakh et al., "ScatSimCLR:
        Self-Supervised Contrastive Learning with Pretext Task Regularization for Small-Scale Datasets", 2021.
    """

    def __init__(self, scales: int = 2, angles: int = 8, order: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name, value in (("scales", scales), ("angles", angles)):
            check_integer(name, value, 1)
        if order not in (0, 1, 2):
            raise ValueError(f"`order` must be 0, 1 or 2. Received: order={order}")
        self.scales, self.angles, self.order = int(scales), int(angles), int(order)
        self._low_pass = gaussian(0.8 * 2.0 ** (self.scales - 1))
        # A kernel [size, size, 1, 2 * angles] for each scale: real parts, then imaginary ones.
        self._wavelets = [self._bank(j) for j in range(self.scales)] if self.order else []
        self.built = True

    def _bank(self, j: int) -> np.ndarray:
        slant = 4.0 / self.angles if self.angles >= 4 else 1.0
        waves = [
            morlet(0.8 * 2.0**j, 0.75 * np.pi / 2.0**j, np.pi * a / self.angles, slant) for a in range(self.angles)
        ]
        return np.stack([w.real for w in waves] + [w.imag for w in waves], axis=-1)[:, :, None].astype("float32")

    @property
    def maps(self) -> int:
        """Number of maps that a channel gives."""
        first = self.scales * self.angles if self.order > 0 else 0
        second = self.angles**2 * self.scales * (self.scales - 1) // 2 if self.order > 1 else 0
        return 1 + first + second

    def call(self, images: Tensor) -> Tensor:
        ops = keras.ops
        _, height, width, channels = images.shape
        x = ops.cast(images, "float32")
        x = ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, height or ops.shape(x)[1], width or ops.shape(x)[2], 1))
        parts = [x]
        if self.order:
            firsts = [self._modulus(x, bank) for bank in self._wavelets]
            parts += firsts
            for j, first in enumerate(firsts):
                for bank in self._wavelets[j + 1 :] if self.order > 1 else []:
                    parts.append(self._of_every_map(first, lambda y, bank=bank: self._modulus(y, bank)))
        y = self._of_every_map(ops.concatenate(parts, axis=-1), self._average)
        _, rows, columns, _ = y.shape
        rows, columns = rows or ops.shape(y)[1], columns or ops.shape(y)[2]
        y = ops.transpose(ops.reshape(y, (-1, channels, rows, columns, self.maps)), (0, 2, 3, 1, 4))
        return ops.cast(ops.reshape(y, (-1, rows, columns, channels * self.maps)), self.compute_dtype)

    def _modulus(self, x: Tensor, bank: np.ndarray) -> Tensor:
        """`[n, H, W, 1]` to the moduli of its products with every wavelet, `[n, H, W, angles]`."""
        ops = keras.ops
        products = _convolve(x, bank, 1)
        square = ops.square(products[..., : self.angles]) + ops.square(products[..., self.angles :])
        present = square > 1e-24  # the root has no derivative at zero
        return ops.where(present, ops.sqrt(ops.where(present, square, ops.ones_like(square))), ops.zeros_like(square))

    def _average(self, x: Tensor) -> Tensor:
        kernel = self._low_pass.astype("float32")
        return _convolve(x, np.outer(kernel, kernel)[:, :, None, None], 2**self.scales)

    def _of_every_map(self, x: Tensor, function: Any) -> Tensor:
        """`function`, which takes one map, of each of the maps `[n, H, W, m]`; its maps are joined."""
        ops = keras.ops
        count = x.shape[-1]
        height, width = (size or ops.shape(x)[axis] for axis, size in ((1, x.shape[1]), (2, x.shape[2])))
        y = function(ops.reshape(ops.transpose(x, (0, 3, 1, 2)), (-1, height, width, 1)))
        rows, columns = (size or ops.shape(y)[axis] for axis, size in ((1, y.shape[1]), (2, y.shape[2])))
        made = y.shape[-1]
        y = ops.transpose(ops.reshape(y, (-1, count, rows, columns, made)), (0, 2, 3, 1, 4))
        return ops.reshape(y, (-1, rows, columns, count * made))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, *sizes, channels = input_shape
        step = 2**self.scales
        rows, columns = (None if size is None else -(-size // step) for size in sizes)
        return (batch, rows, columns, None if channels is None else channels * self.maps)


def _convolve(x: Tensor, kernel: np.ndarray, stride: int) -> Tensor:
    """Maps `[n, H, W, 1]` correlated with a kernel of odd size, at every `stride`-th pixel, borders reflected."""
    radius = kernel.shape[0] // 2
    if any(size is not None and size <= radius for size in x.shape[1:3]):
        raise ValueError(
            f"Images must be larger than {radius} pixels to be reflected for these scales and angles. "
            f"Received: images of {x.shape[1]} x {x.shape[2]} pixels"
        )
    padded = keras.ops.pad(x, ((0, 0), (radius, radius), (radius, radius), (0, 0)), mode="reflect")
    weights = keras.ops.convert_to_tensor(kernel)
    return keras.ops.conv(padded, weights, strides=stride, padding="valid", data_format="channels_last")
