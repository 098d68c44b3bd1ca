"""One minus the centered kernel alignment of patch features."""

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.patch_tokens import check_patches
from keras_ssl.typing import Tensor

__all__ = ["patch_kernel_loss"]


def patch_kernel_loss(students: Tensor, teachers: Tensor, epsilon: float = 1e-6) -> Tensor:
    """PaKA: `1 - CKA` of the linear kernels of an image's patches, for each image.

        K = H Z Z' H,   CKA = <K_s, K_t> / sqrt(max(<K_s, K_s>, epsilon) * max(<K_t, K_t>, epsilon))

    with Z the features `[T, D]` of an image's patches, H the centering of rows, and <A, B> the sum of products of
    entries. It is 0 where the features agree up to a rotation, a shift and a scale of all patches of an image, and 1
    where no direction of one varies with any of the other. Features are not normalized; where those of an image do not
    vary, its loss is 1.

    Args:
        students: patch features `[N, T, D]`.
        teachers: of the same patches by another network, `[N, T, E]`; no gradient flows through them.
        epsilon: least value of the inner products under the root, greater than 0. Defaults to 1e-6.

    Returns:
        float32 `[N]`, each from 0 to 1, but for rounding.

    Raises:
        ValueError: if the shapes do not fit, or `epsilon` is not finite and positive.

    Example:

    >>> x = np.array([[[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]]])
    >>> abs(round(float(patch_kernel_loss(x, 3.0 * x[..., ::-1] + 1.0)[0]), 4))
    0.0

    Reference: "Patch-level Kernel Alignment for Self-Supervised Dense Representation Learning", 2025,
    https://arxiv.org/abs/2509.05606; Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML
    2019. The least value under the root is that of lightly-train, an independent library.
    """
    check_patches(students, teachers)
    check_number("epsilon", epsilon, 0.0, above=True)
    ops = keras.ops
    x, y = _centered_kernel(as_float(students)), ops.stop_gradient(_centered_kernel(as_float(teachers, students)))
    xy, xx, yy = (ops.sum(a * b, axis=(1, 2)) for a, b in ((x, y), (x, x), (y, y)))
    return 1.0 - xy / ops.sqrt(ops.maximum(xx, epsilon) * ops.maximum(yy, epsilon))


def _centered_kernel(z: Tensor) -> Tensor:
    """`H Z Z' H`, `[N, T, T]`: of features with their mean over the patches taken off."""
    z = z - keras.ops.mean(z, axis=1, keepdims=True)
    return keras.ops.matmul(z, keras.ops.transpose(z, (0, 2, 1)))
