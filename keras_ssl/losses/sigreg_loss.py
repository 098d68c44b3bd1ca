"""Sketched isotropic Gaussian regularization."""

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.typing import Tensor

__all__ = ["sigreg_loss"]


def sigreg_loss(z: Tensor, directions: Tensor, knots: int = 17, limit: float = 3.0) -> Tensor:
    r"""SIGReg: how far embeddings are from a standard normal distribution, seen from random directions.

    For a direction `a`, `phi(t) = mean_i exp(i t a.z_i)` is the characteristic function of the sample. The statistic of
    Epps and Pulley is

        EP(a) = N * integral over [-limit, limit] of |phi(t) - exp(-t^2 / 2)|^2 exp(-t^2 / 2) dt.

    The loss is the mean of `EP(a)` over the directions. The integral is the trapezoidal rule on [0, limit], times 2:
    the integrand is even. Of N standard normal samples the expected value is about 1.05, for any N. Of N equal samples
    it grows with N.

    Args:
        z: embeddings of one view of the whole global batch, `[N, D]`.
        directions: unit vectors, `[K, D]`, drawn anew for each step (`random_directions`). Not normalized here.
        knots: number of points of the rule, at least 2. Defaults to 17, the authors'.
        limit: upper end of the integral, greater than 0. Defaults to 3, the authors'.

    Returns:
        A scalar, at least 0.

    Raises:
        ValueError: if an argument is out of range, or `z` and `directions` are not matrices of one width.

    Example:

    >>> value = sigreg_loss(np.zeros((10, 2)), np.array([[1.0, 0.0]]))
    >>> round(float(value), 3)  # 10 * integral of (1 - exp(-t^2 / 2))^2 exp(-t^2 / 2)
    4.02

    Reference: Balestriero and LeCun, "LeJEPA: Provable and Scalable Self-Supervised Learning Without the Heuristics",
    2025; Epps and Pulley, "A Test for Normality Based on the Empirical Characteristic Function", Biometrika 1983.
    """
    ops = keras.ops
    knots, limit = check_integer("knots", knots, 2), check_number("limit", limit, 0.0, above=True)
    z, directions = as_float(z), as_float(directions, z)
    check_directions(z, directions)
    points = np.linspace(0.0, limit, knots)
    normal = np.exp(-0.5 * points**2)  # both the normal's characteristic function and the weight
    weights = np.full(knots, 2.0 * limit / (knots - 1))
    weights[[0, -1]] /= 2.0
    points, normal, weights = (ops.cast(values, z.dtype) for values in (points, normal, weights * normal))
    angles = ops.matmul(z, ops.transpose(directions))[:, :, None] * points
    error = ops.square(ops.mean(ops.cos(angles), axis=0) - normal) + ops.square(ops.mean(ops.sin(angles), axis=0))
    return ops.mean(ops.sum(error * weights, axis=1)) * ops.cast(ops.shape(z)[0], z.dtype)


def check_directions(z: Tensor, directions: Tensor) -> None:
    """Raises a `ValueError` unless both are matrices of one width."""
    if len(z.shape) != 2 or len(directions.shape) != 2 or z.shape[1] != directions.shape[1]:
        raise ValueError(
            "Embeddings [N, D] and `directions` [K, D] must be matrices of one width. "
            f"Received: z.shape={tuple(z.shape)}, directions.shape={tuple(directions.shape)}"
        )
