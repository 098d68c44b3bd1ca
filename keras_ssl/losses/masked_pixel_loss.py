"""The reconstruction loss of masked autoencoders."""

import keras

from keras_ssl.losses.numeric import as_float, masked_mean, same_shape
from keras_ssl.typing import Tensor

EPSILON = 1e-6


def normalized_patches(patches: Tensor) -> Tensor:
    """Patches with mean 0 and variance 1 over their pixels: `(x - mean) / sqrt(var + 1e-6)`, float32.

    The variance is the unbiased one, as in the authors' code.

    Args:
        patches: `[N, T, P]`, with P at least 2.

    Raises:
        ValueError: if a patch is one number, which has no variance.
    """
    ops = keras.ops
    x = as_float(patches)
    if x.shape[-1] == 1:
        raise ValueError(
            "Patches of one number have no variance: `normalize_targets` must be False for them. "
            f"Received: patches.shape={tuple(x.shape)}"
        )
    centered = x - ops.mean(x, axis=-1, keepdims=True)
    variance = ops.sum(ops.square(centered), axis=-1, keepdims=True) / (x.shape[-1] - 1)
    return centered / ops.sqrt(variance + EPSILON)


def masked_pixel_loss(prediction: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
    """The mean squared error of the hidden patches of each sample.

    `sum_t hidden_t mean_p (prediction_tp - target_tp)^2 / sum_t hidden_t`; 0 where nothing is hidden.

    Args:
        prediction: `[N, T, P]`.
        target: `[N, T, P]`; no gradient flows through it.
        hidden: 1 for hidden patches, else 0; `[N, T]`.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if the shapes do not fit.

    Example:

    >>> loss = masked_pixel_loss(keras.ops.ones((1, 2, 3)), keras.ops.zeros((1, 2, 3)), keras.ops.array([[1.0, 0.0]]))
    >>> keras.ops.convert_to_numpy(loss).tolist()
    [1.0]

    Reference: He et al., "Masked Autoencoders Are Scalable Vision Learners", CVPR 2022.
    """
    if not same_shape(prediction.shape, target.shape) or len(prediction.shape) != 3:
        raise ValueError(
            "`prediction` and `target` must have one shape [N, T, P]. "
            f"Received: prediction.shape={tuple(prediction.shape)}, target.shape={tuple(target.shape)}"
        )
    ops = keras.ops
    target = ops.stop_gradient(as_float(target, prediction))
    errors = ops.mean(ops.square(as_float(prediction) - target), axis=-1)
    return masked_mean(errors, "hidden", hidden)
