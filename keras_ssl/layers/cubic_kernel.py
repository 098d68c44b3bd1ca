"""The kernel of bicubic interpolation."""

from typing import Any

import keras

from keras_ssl.typing import Tensor


def cubic_kernel(distance: Tensor, a: float = -0.5, xp: Any = None) -> Tensor:
    """Keys' cubic kernel, by which a sample at this distance is weighed.

    `(a + 2) d^3 - (a + 3) d^2 + 1` for `d < 1`, `a d^3 - 5 a d^2 + 8 a d - 4 a` for `d < 2`, and 0 beyond. PyTorch
    interpolates with `a = -0.75`, as OpenCV does, but where it antialiases with `a = -0.5`, as PIL and TensorFlow do.

    Args:
        distance: floating tensor, not negative, in samples.
        a: slope at distance 1. Defaults to -0.5.
        xp: the namespace that computes: `keras.ops` (default) or `numpy`, for work on the host.

    Returns:
        A tensor of the same shape.

    Reference:
        Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 1981.
    """
    xp = keras.ops if xp is None else xp
    near = ((a + 2.0) * distance - (a + 3.0)) * distance * distance + 1.0
    far = ((a * distance - 5.0 * a) * distance + 8.0 * a) * distance - 4.0 * a
    return xp.where(distance < 1.0, near, xp.where(distance < 2.0, far, 0.0))
