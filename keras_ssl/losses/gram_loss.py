"""How far the similarities between the patches of an image are from those of a reference."""

import keras

from keras_ssl.losses.numeric import l2_normalize
from keras_ssl.losses.patch_tokens import check_patches
from keras_ssl.typing import Tensor

__all__ = ["gram_loss"]


def gram_loss(students: Tensor, anchors: Tensor) -> Tensor:
    """Gram anchoring: the mean squared difference of the cosines between the patches of an image, for each image.

    `mean_ij (x_i . x_j - a_i . a_j)^2`, rows L2-normalized, over all pairs of patches of one image, a patch and itself
    among them. It is 0 where the patches lie to one another as those of the anchor do: features may be rotated as a
    whole, and each patch scaled, at no cost.

    Args:
        students: patch features `[N, T, D]`.
        anchors: of the same patches by another network, `[N, T, E]`; no gradient flows through them.

    Returns:
        float32 `[N]`, each from 0 to 4.

    Raises:
        ValueError: if the shapes do not fit.

    Example:

    >>> x, a = np.array([[[1.0, 0.0], [0.0, 1.0]]]), np.array([[[1.0, 0.0], [1.0, 0.0]]])
    >>> round(float(gram_loss(x, a)[0]), 4)  # two of four cosines are 0 and not 1
    0.5

    Reference: Siméoni et al., "DINOv3", 2025, https://arxiv.org/abs/2508.10104. The paper takes the squared Frobenius
    norm of the difference; the mean over pairs, here, does not grow with the number of patches.
    """
    check_patches(students, anchors)
    ops = keras.ops
    x, a = l2_normalize(students), ops.stop_gradient(l2_normalize(anchors, students))
    cosines = ops.matmul(x, ops.transpose(x, (0, 2, 1))) - ops.matmul(a, ops.transpose(a, (0, 2, 1)))
    return ops.mean(ops.square(cosines), axis=(1, 2))
