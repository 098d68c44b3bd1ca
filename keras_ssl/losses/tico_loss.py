"""The loss of TiCo."""

import keras

from keras_ssl.losses.numeric import as_float, check_pair, l2_normalize
from keras_ssl.typing import Tensor


def second_moment(z: Tensor) -> Tensor:
    """`1/N sum_i z_i z_i^T` of the L2-normalized rows of `z` `[N, D]`: `[D, D]`, not centered."""
    z = l2_normalize(as_float(z))
    return keras.ops.matmul(keras.ops.transpose(z), z) / keras.ops.cast(keras.ops.shape(z)[0], z.dtype)


def tico_terms(z1: Tensor, z2: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """The two terms of the TiCo loss, unweighted: (invariance, contrast). See `tico_loss`."""
    z1, z2 = as_float(z1), as_float(z2, z1)
    check_pair(z1, z2)
    z1, z2 = l2_normalize(z1), l2_normalize(z2)
    covariance = keras.ops.cast(covariance, z1.dtype)
    invariance = 1.0 - keras.ops.mean(keras.ops.sum(z1 * z2, axis=1))
    return invariance, keras.ops.mean(keras.ops.sum(keras.ops.matmul(z1, covariance) * z1, axis=1))


def tico_loss(z1: Tensor, z2: Tensor, covariance: Tensor, contrast_weight: float = 8.0) -> Tensor:
    r"""TiCo: views agree, and embeddings avoid the directions in which those before them lay.

    `mean_i(1 - z1_i.z2_i) + contrast_weight * mean_i(z1_i^T C z1_i)` with rows L2-normalized. With
    `C = second_moment(z1)` the second term is the mean of all squared cosines of a batch; a running mean of it is a
    bank of all earlier embeddings, of the size of one matrix.

    Args:
        z1: embeddings of the first view, `[N, D]`.
        z2: embeddings of the second view, `[N, D]`; a teacher's, in the paper.
        covariance: C, `[D, D]`. Where it contains this batch, the gradient flows into it too.
        contrast_weight: rho. Defaults to 8.

    Returns:
        A scalar.

    Reference:
        Zhu et al., "TiCo: Transformation Invariance and Covariance Contrast for Self-Supervised Visual Representation
        Learning", 2022.
    """
    invariance, contrast = tico_terms(z1, z2, covariance)
    return invariance + contrast_weight * contrast
