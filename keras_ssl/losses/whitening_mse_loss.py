"""The loss of W-MSE: whitening, and the distance of whitened views."""

import keras

from keras_ssl.losses.numeric import as_float, check_pair, l2_normalize
from keras_ssl.typing import Tensor


def whiten(z: Tensor, epsilon: float = 0.0) -> Tensor:
    r"""Embeddings with mean 0 and covariance the identity over their batch, by the Cholesky factor.

    `(z - mean) L^{-T}` with `L L^T = (1 - epsilon) S + epsilon * v I`, where `S` is the unbiased covariance and `v`
    its mean diagonal (1 where that is 0), so that the shrinkage does not depend on the scale of `z`. At
    `epsilon = 0` this is the authors' whitening; they shrink towards the identity itself.

    Args:
        z: `[..., N, D]`, `N > D`; each batch of N is whitened by itself.
        epsilon: shrinkage in [0, 1]. Defaults to 0, where a covariance of less than full rank has no factor: an
            error on TensorFlow, NaN on JAX.

    Returns:
        A tensor of the same shape.
    """
    ops = keras.ops
    z = as_float(z)
    centered = z - ops.mean(z, axis=-2, keepdims=True)
    swapped = ops.swapaxes(centered, -1, -2)
    freedom = ops.cast(ops.shape(z)[-2], z.dtype) - 1.0
    covariance = ops.matmul(swapped, centered) / freedom
    identity = ops.eye(z.shape[-1], dtype=z.dtype)
    scale = ops.sum(covariance * identity, axis=(-2, -1), keepdims=True) / z.shape[-1]
    scale = ops.where(scale > 0.0, scale, ops.ones_like(scale))
    factor = ops.cholesky((1.0 - epsilon) * covariance + epsilon * scale * identity)
    return ops.swapaxes(ops.solve_triangular(factor, swapped, lower=True), -1, -2)


def w_mse_loss(z1: Tensor, z2: Tensor, order: Tensor, whitening_size: int | None, epsilon: float = 0.0) -> Tensor:
    r"""W-MSE: views agree once every part of the batch is whitened, so that they cannot agree by collapsing.

    Both views are put in `order` and cut into parts of `whitening_size`; each part of each view is whitened by itself
    (see `whiten`), and the loss is `mean(2 - 2 cos)` between the views' whitened embeddings, in [0, 4].

    Args:
        z1: embeddings of the first view, `[N, D]`.
        z2: embeddings of the second view, `[N, D]`.
        order: integers `[N]`, a permutation: it decides which samples are whitened together.
        whitening_size: samples whitened together; greater than D, and a divisor of N. The authors take 2 D. None is
            the whole batch, whose size need not be known before the program runs: the loss is NaN where it is not
            greater than D.
        epsilon: shrinkage of the covariance, see `whiten`. Defaults to 0.

    Returns:
        A scalar.

    Raises:
        ValueError: if `whitening_size` is not greater than D, or does not divide N (where N is known).

    Reference:
        Ermolov et al., "Whitening for Self-Supervised Representation Learning", ICML 2021.
    """
    ops = keras.ops
    z1, z2 = as_float(z1), as_float(z2, z1)
    check_pair(z1, z2)
    count, width = z1.shape
    size = whitening_size or count
    if size is not None:
        check_whitening_size(size, width, count)

    def parts(z: Tensor) -> Tensor:
        if whitening_size is not None:
            z = ops.reshape(ops.take(z, order, axis=0), (-1, whitening_size, width))
        return l2_normalize(whiten(z, epsilon))

    loss = 2.0 - 2.0 * ops.mean(ops.sum(parts(z1) * parts(z2), axis=-1))
    return loss if size is not None else ops.where(ops.shape(z1)[0] > width, loss, float("nan"))


def check_whitening_size(whitening_size: int, width: int, count: int | None = None) -> None:
    """Raises a `ValueError` if so many samples cannot be whitened in `width` dimensions, or do not divide `count`."""
    if whitening_size <= width:
        raise ValueError(
            "So few samples have no covariance of full rank: whitening needs more samples than dimensions. Take a "
            "larger `batch_size`, or a `projector` that ends in a smaller width. "
            f"Received: whitening_size={whitening_size} for embeddings of width {width}"
        )
    if count is not None and count % whitening_size:
        raise ValueError(
            f"`whitening_size` must divide the global batch. Received: whitening_size={whitening_size} for a batch of "
            f"{count}"
        )
