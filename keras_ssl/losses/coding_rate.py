"""The coding rate of embeddings."""

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor

__all__ = ["coding_rate"]


def coding_rate(z: Tensor, epsilon: float = 0.5) -> Tensor:
    r"""How many nats it takes to code embeddings with a given distortion: larger where they fill more directions.

    `R(z) = 1/2 log det(I + D / (N epsilon) z' z)`, over the N samples of the whole batch. It is 0 where all embeddings
    are 0. For rows of length 1 it is at most `D/2 log(1 + 1 / epsilon)`, where they are spread evenly, and
    `1/2 log(1 + D / epsilon)` where they are all equal. The determinant is that of a Cholesky factor, in float32.

    Args:
        z: embeddings, `[N, D]`. Not normalized here.
        epsilon: squared distortion, greater than 0. Defaults to 0.5.

    Returns:
        A scalar, at least 0.

    Raises:
        ValueError: if `epsilon` is not finite and positive, or `z` is no matrix.

    Example:

    >>> round(float(coding_rate(np.array([[1.0, 0.0], [1.0, 0.0]]))), 4)  # 1/2 log(1 + 2 / 0.5)
    0.8047

    Reference: Yu et al., "Learning Diverse and Discriminative Representations via the Principle of Maximal Coding Rate
    Reduction", NeurIPS 2020; Wu et al., "Simplifying DINO via Coding Rate Regularization", ICML 2025.
    """
    ops, z = keras.ops, as_float(z)
    check_number("epsilon", epsilon, 0.0, above=True)
    if len(z.shape) != 2 or z.shape[1] is None:
        raise ValueError(f"Embeddings must be a matrix [N, D]. Received: z.shape={tuple(z.shape)}")
    width = z.shape[1]
    scale = width / epsilon / ops.cast(ops.shape(z)[0], z.dtype)
    matrix = ops.eye(width, dtype=z.dtype) + scale * ops.matmul(ops.transpose(z), z)
    factor = ops.cholesky(matrix)
    return ops.sum(ops.log(ops.sum(factor * ops.eye(width, dtype=z.dtype), axis=1)))
