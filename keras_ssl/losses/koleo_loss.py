"""The Kozachenko-Leonenko regularizer."""

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import l2_normalize
from keras_ssl.typing import Tensor

__all__ = ["koleo_loss"]


def koleo_loss(z: Tensor, epsilon: float = 1e-8) -> Tensor:
    r"""KoLeo: keep each embedding away from its nearest neighbor in the batch.

    `-mean_i log(min_{j != i} ||z_i - z_j|| + epsilon)`, rows L2-normalized. Up to constants, minus it is the estimate
    by Kozachenko and Leonenko of the entropy of the embeddings: it is low where they are spread evenly. The gradient
    flows to an embedding and to its neighbor; equal embeddings, which have no direction apart, get none.

    Args:
        z: embeddings of one view, `[N, D]`, N at least 2, of the whole global batch.
        epsilon: added to distances, greater than 0. Defaults to 1e-8.

    Returns:
        A scalar.

    Raises:
        ValueError: if `epsilon` is not finite and positive, or `z` is no matrix of two rows or more.

    Example:

    >>> round(float(koleo_loss(np.array([[2.0, 0.0], [-1.0, 0.0]]))), 4)  # -log 2
    -0.6931

    Reference: Sablayrolles et al., "Spreading Vectors for Similarity Search", ICLR 2019; Oquab et al., "DINOv2:
    Learning Robust Visual Features without Supervision", TMLR 2024.
    """
    ops = keras.ops
    check_number("epsilon", epsilon, 0.0, above=True)
    z = l2_normalize(z)
    if len(z.shape) != 2 or (z.shape[0] is not None and z.shape[0] < 2):
        raise ValueError(f"Embeddings must be a matrix [N, D] of two rows or more. Received: z.shape={tuple(z.shape)}")
    number = ops.arange(ops.shape(z)[0])
    oneself = ops.equal(number[:, None], number[None, :])
    # About their mean: the cosines of embeddings that have nearly collapsed are all 1, and name no neighbor.
    centered = ops.stop_gradient(z - ops.mean(z, axis=0))
    square = ops.sum(ops.square(centered), axis=1) - 2.0 * ops.matmul(centered, ops.transpose(centered))
    nearest = ops.argmin(ops.where(oneself, float("inf"), square), axis=1)
    # From the difference and not from the cosine: 1 - cos loses the small distances, which weigh most.
    square = ops.sum(ops.square(z - ops.take(z, nearest, axis=0)), axis=1)
    equal = square <= 1e-24
    distance = ops.where(equal, ops.zeros_like(square), ops.sqrt(ops.where(equal, 1.0, square)))
    return -ops.mean(ops.log(distance + epsilon))
