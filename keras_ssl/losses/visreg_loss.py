"""Variance, invariance and sketching: the regularizer of VISReg."""

import math

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.sigreg_loss import check_directions
from keras_ssl.typing import Tensor

__all__ = ["visreg_terms"]


def visreg_terms(z: Tensor, directions: Tensor, epsilon: float = 1e-4) -> tuple[Tensor, Tensor, Tensor]:
    r"""How far embeddings of one view are from a standard normal distribution: in scale, in shape and in their mean.

    With the mean `m_d` and the biased standard deviation `s_d` of each dimension over the batch:

        scale = mean_d (1 - s_d)^2
        shape = mean over directions a and ranks r of (sort_r(a.u) - q_r)^2,  u = (z - m) / (sg(s) + epsilon)
        center = mean_d m_d^2

    where `q_r` is the quantile of the standard normal distribution at `r / (N + 1)`, r from 1 to N, and `sg` stops the
    gradient: the shape does not change the scale. The shape is the squared 2-Wasserstein distance to the normal
    distribution, on each direction.

    Args:
        z: embeddings of one view, `[N, D]`.
        directions: unit vectors, `[K, D]`, drawn anew for each step (`random_directions`). Not normalized here.
        epsilon: added to the standard deviation in the shape, at least 0. Defaults to 1e-4.

    Returns:
        `(scale, shape, center)`, scalars.

    Raises:
        ValueError: if `z` and `directions` are not matrices of one width, or `epsilon` is negative or not finite.

    Example:

    >>> scale, shape, center = visreg_terms(np.array([[1.0], [3.0]]), np.array([[1.0]]))
    >>> float(scale), float(center)
    (0.0, 4.0)

    Reference: Wu et al., "VISReg", 2026, https://arxiv.org/abs/2606.02572.
    """
    check_number("epsilon", epsilon, 0.0)
    ops = keras.ops
    z, directions = as_float(z), as_float(directions, z)
    check_directions(z, directions)
    mean = ops.mean(z, axis=0)
    centered = z - mean
    variance = ops.mean(ops.square(centered), axis=0)
    # The root's slope is infinite at 0: a dimension that does not vary gets no gradient.
    constant = variance <= 1e-24
    deviation = ops.where(constant, ops.zeros_like(variance), ops.sqrt(ops.where(constant, 1.0, variance)))
    unit = centered / (ops.stop_gradient(deviation) + epsilon)
    slices = ops.sort(ops.matmul(unit, ops.transpose(directions)), axis=0)
    count = ops.shape(z)[0]
    levels = ops.cast(ops.arange(1, count + 1), z.dtype) / ops.cast(count + 1, z.dtype)
    quantiles = math.sqrt(2.0) * ops.erfinv(2.0 * levels - 1.0)
    shape = ops.mean(ops.square(slices - quantiles[:, None]))
    return ops.mean(ops.square(1.0 - deviation)), shape, ops.mean(ops.square(mean))
