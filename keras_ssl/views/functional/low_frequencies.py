"""The low-frequency amplitudes of images, which hold much of their style, replaced."""

import numpy as np
from keras import ops

from keras_ssl.typing import Tensor


def replace_low_frequencies(images: Tensor, reference: Tensor, ratio: Tensor) -> Tensor:
    """Images with the amplitudes of another image at low frequencies, and their own phases everywhere.

    Per channel, the amplitude of the Fourier coefficient at `(k, l)` becomes the reference's where
    `|k| <= sqrt(ratio) H / 2` and `|l| <= sqrt(ratio) W / 2`. The window is symmetric, so that the result is real.
    It is not clipped.

    Args:
        images: float32 `[N, H, W, C]`.
        reference: float32 `[1, H, W, C]`.
        ratio: area of the window as a fraction of all frequencies, in [0, 1], a scalar; at 0 nothing changes.

    Returns:
        float32 `[N, H, W, C]`.
    """
    _, height, width, _ = images.shape
    real, imaginary = _transform(images)
    reference_real, reference_imaginary = _transform(reference)
    amplitude = ops.sqrt(ops.square(real) + ops.square(imaginary))
    wanted = ops.sqrt(ops.square(reference_real) + ops.square(reference_imaginary))
    present = amplitude > 1e-12
    scale = wanted / ops.where(present, amplitude, ops.ones_like(amplitude))
    # A coefficient of 0 has no phase of its own: it gets the phase 0.
    new = (ops.where(present, real * scale, wanted), ops.where(present, imaginary * scale, ops.zeros_like(imaginary)))
    reach = ops.sqrt(ops.cast(ratio, "float32"))
    rows, columns = (np.abs(np.fft.fftfreq(n, 1.0 / n)).astype("float32") for n in (height, width))
    inside = ops.logical_and(
        ops.expand_dims(rows <= reach * (height / 2.0), 1), ops.expand_dims(columns <= reach * (width / 2.0), 0)
    )
    inside = ops.logical_and(inside, reach > 0.0)
    both = [ops.where(inside, changed, kept) for changed, kept in zip(new, (real, imaginary), strict=True)]
    result = ops.ifft2((both[0], both[1]))[0]
    return ops.transpose(result, (0, 2, 3, 1))


def _transform(images: Tensor) -> tuple[Tensor, Tensor]:
    """Real and imaginary parts of the Fourier coefficients, `[N, C, H, W]`."""
    x = ops.transpose(images, (0, 3, 1, 2))
    return ops.fft2((x, ops.zeros_like(x)))
