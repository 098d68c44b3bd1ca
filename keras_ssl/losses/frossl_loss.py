"""The loss of FroSSL."""

from collections.abc import Sequence

import keras

from keras_ssl.losses.numeric import as_float, check_pair, l2_normalize
from keras_ssl.losses.view_mean_loss import view_mean_loss
from keras_ssl.typing import Tensor

__all__ = ["frossl_terms"]


def frossl_terms(views: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    r"""Views agree, and the eigenvalues of each view's covariance are alike: a low Frobenius norm.

    Each dimension is first scaled to length 1 over the batch. With `C_v = z_v' z_v / tr(z_v' z_v)`:

        invariance = sum_v V D mean (z_v - mean_w z_w)^2
        regularization = sum_v 2 log ||C_v||_F

    The loss is `regularization + w * invariance`. The regularization is 0 where all samples of each view are equal, and
    `-V log D` where dimensions are orthogonal.

    Args:
        views: embeddings of V views, at least two, `[N, D]` each, of the whole global batch.

    Returns:
        `(invariance, regularization)`, scalars.

    Raises:
        ValueError: if there are fewer than two views or their shapes differ.

    Example:

    >>> z = np.array([[1.0, 1.0], [1.0, -1.0]])
    >>> invariance, regularization = frossl_terms([z, z])
    >>> float(invariance), round(float(regularization), 4)  # -2 log 2
    (0.0, -1.3863)

    Reference: Skean et al., "FroSSL: Frobenius Norm Minimization for Efficient Multiview Self-Supervised Learning",
    ECCV 2024.
    """
    if len(views) < 2:
        raise ValueError(f"There must be at least two views. Received: views={len(views)} views")
    ops = keras.ops
    for view in views:
        check_pair(as_float(views[0]), as_float(view))
    scaled = [ops.transpose(l2_normalize(ops.transpose(as_float(view, views[0])))) for view in views]
    number, width = len(views), scaled[0].shape[1]
    invariance = number * number * width * view_mean_loss(scaled)
    regularization = 0.0
    for z in scaled:
        samples = z.shape[0]
        # Both products have the same norm; the smaller one costs less.
        small = samples is not None and samples < width
        product = ops.matmul(z, ops.transpose(z)) if small else ops.matmul(ops.transpose(z), z)
        # Bounds that only embeddings of zeros reach: they get no gradient.
        square = ops.maximum(ops.sum(ops.square(product)), 1e-12)
        trace = ops.maximum(ops.sum(ops.square(z)), 1e-6)
        regularization = regularization + ops.log(square) - 2.0 * ops.log(trace)
    return invariance, regularization
