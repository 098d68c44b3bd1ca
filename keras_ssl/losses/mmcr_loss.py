"""The loss of Maximum Manifold Capacity Representations."""

from collections.abc import Sequence

import keras

from keras_ssl.losses.numeric import as_float, check_pair, l2_normalize
from keras_ssl.typing import Tensor


def nuclear_norm(matrix: Tensor) -> Tensor:
    """Sum of the singular values of matrices `[..., N, D]`: `[...]`.

    Its gradient `U V^T` is finite everywhere: singular values that are equal need no care, and those at zero
    (below 1e-6) count nothing and get the gradient zero, which is one of the subgradients there. So it can be taken
    through a centroid matrix of any rank, which the gradient of a singular value decomposition cannot.
    """
    ops = keras.ops
    matrix = as_float(matrix)
    rows, columns = matrix.shape[-2:]
    if rows is not None and rows < columns:
        matrix = ops.swapaxes(matrix, -1, -2)
    # With the right singular vectors fixed, the lengths of `matrix @ vectors` are the singular values, and the
    # derivative is the right one, because a rotation of the vectors changes their sum in second order only. The
    # lengths are also more precise than roots of the eigenvalues, which are squares.
    _, vectors = ops.eigh(ops.stop_gradient(ops.matmul(ops.swapaxes(matrix, -1, -2), matrix)))
    square = ops.sum(ops.square(ops.matmul(matrix, ops.stop_gradient(vectors))), axis=-2)
    present = square > 1e-12
    lengths = ops.where(present, ops.sqrt(ops.where(present, square, ops.ones_like(square))), ops.zeros_like(square))
    return ops.sum(lengths, axis=-1)


def mmcr_loss(views: Sequence[Tensor], manifold_weight: float = 0.0) -> Tensor:
    r"""MMCR: the centroids of all images' views should be long and fill as many directions as they can.

    `-|C|_* + manifold_weight * mean_i |Z_i|_*` with rows L2-normalized, `C` `[N, D]` the mean of each image's
    embeddings over its views, `Z_i` `[V, D]` the embeddings of image i, and the nuclear norm `|.|_*`. It lies in
    `[-sqrt(N min(N, D)), 0]` where `manifold_weight` is 0.

    Args:
        views: embeddings of the views, V tensors `[N, D]`.
        manifold_weight: lambda, not negative. Defaults to 0: making the centroids long already makes the manifolds
            small.

    Returns:
        A scalar.

    Raises:
        ValueError: for fewer than two views, or shapes that differ.

    Reference:
        Yerxa et al., "Learning Efficient Coding of Natural Images with Maximum Manifold Capacity Representations",
        NeurIPS 2023.
    """
    if len(views) < 2:
        raise ValueError(f"MMCR needs at least two views. Received: {len(views)} views")
    views = [as_float(z, views[0]) for z in views]
    for z in views[1:]:
        check_pair(views[0], z)
    stacked = l2_normalize(keras.ops.stack(list(views), axis=1))
    loss = -nuclear_norm(keras.ops.mean(stacked, axis=1))
    if manifold_weight:
        loss = loss + manifold_weight * keras.ops.mean(nuclear_norm(stacked))
    return loss
