"""Images with some of their patches blanked."""

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


def hide_patches(images: Tensor, visible: Tensor, patch_size: int) -> Tensor:
    """Sets all pixels outside of the visible patches to 0.

    Args:
        images: `[N, H, W, C]`; H and W are multiples of the patch.
        visible: numbers of the patches that stay, row by row, `[N, V]`.
        patch_size: side of a patch in pixels.

    Returns:
        A tensor like `images`.

    Raises:
        ValueError: if `patch_size` is not a positive integer or does not divide the sides of the images.

    Example:

    >>> blanked = hide_patches(np.ones((1, 4, 4, 1), "float32"), np.array([[0, 3]]), 2)
    >>> float(keras.ops.sum(blanked)), float(blanked[0, 0, 2, 0])
    (8.0, 0.0)
    """
    ops = keras.ops
    check_integer("patch_size", patch_size, 1)
    height, width = images.shape[1:3]
    if height % patch_size or width % patch_size:
        raise ValueError(
            f"`patch_size` must divide the sides of the images, {height} and {width}. Received: patch_size={patch_size}"
        )
    rows, columns = height // patch_size, width // patch_size
    kept = ops.sum(ops.one_hot(visible, rows * columns, dtype="float32"), axis=1)
    kept = ops.reshape(kept, (-1, rows, columns, 1))
    kept = ops.repeat(ops.repeat(kept, patch_size, axis=1), patch_size, axis=2)
    return images * ops.cast(kept, images.dtype)
