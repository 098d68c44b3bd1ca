"""The loss of VICReg."""

import keras

from keras_ssl.losses.numeric import as_float, check_pair, off_diagonal_square_sum
from keras_ssl.typing import Tensor


def _variance_and_covariance(z: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
    """The hinge on the standard deviations, and the mean square covariance of a dimension with all others."""
    ops = keras.ops
    centered = z - ops.mean(z, axis=0, keepdims=True)
    freedom = ops.maximum(ops.cast(ops.shape(z)[0], z.dtype) - 1.0, 1.0)  # of one sample, variance 0 rather than NaN
    deviation = ops.sqrt(ops.sum(ops.square(centered), axis=0) / freedom + epsilon)
    covariance = ops.matmul(ops.transpose(centered), centered) / freedom
    return ops.mean(ops.relu(1.0 - deviation)), off_diagonal_square_sum(covariance) / z.shape[1]


def vicreg_terms(
    z1: Tensor, z2: Tensor, halve_variance: bool = True, epsilon: float = 1e-4
) -> tuple[Tensor, Tensor, Tensor]:
    """The three terms of the VICReg loss, unweighted: (invariance, variance, covariance). See `vicreg_loss`."""
    z1, z2 = as_float(z1), as_float(z2, z1)
    check_pair(z1, z2)
    (variance1, covariance1), (variance2, covariance2) = (_variance_and_covariance(z, epsilon) for z in (z1, z2))
    invariance = keras.ops.mean(keras.ops.square(z1 - z2))
    variance = variance1 + variance2
    return invariance, 0.5 * variance if halve_variance else variance, covariance1 + covariance2


def vicreg_loss(
    z1: Tensor,
    z2: Tensor,
    invariance_weight: float = 25.0,
    variance_weight: float = 25.0,
    covariance_weight: float = 1.0,
    halve_variance: bool = True,
    epsilon: float = 1e-4,
) -> Tensor:
    r"""VICReg: views agree, every dimension varies, and no two dimensions vary together.

    With `S` the unbiased covariance of a view's embeddings over the batch and `D` their width:
    `invariance_weight * mean (z1 - z2)^2 + variance_weight * V + covariance_weight * C`, where
    `V = 1/2 (v(z1) + v(z2))`, `v = 1/D sum_i relu(1 - sqrt(S_ii + epsilon))`, and `C = c(z1) + c(z2)`,
    `c = 1/D sum_{i != j} S_ij^2`. The invariance is the mean over the batch and the dimensions, as in the authors'
    code; so is the half in V, which the paper leaves out.

    Args:
        z1: embeddings of the first view, `[N, D]`.
        z2: embeddings of the second view, `[N, D]`.
        invariance_weight: defaults to 25.
        variance_weight: defaults to 25.
        covariance_weight: defaults to 1.
        halve_variance: whether V is the mean of both views', as in the authors' code, or their sum, as in
            the paper. Defaults to True.
        epsilon: added to each variance under the root. Defaults to `1e-4`.

    Returns:
        A scalar.

    Example:

    >>> import numpy as np
    >>> z = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], "float32")
    >>> float(vicreg_loss(z, z))
    0.0

    Reference:
        Bardes et al., "VICReg: Variance-Invariance-Covariance Regularization for Self-Supervised Learning", ICLR 2022.
    """
    invariance, variance, covariance = vicreg_terms(z1, z2, halve_variance, epsilon)
    return invariance_weight * invariance + variance_weight * variance + covariance_weight * covariance
