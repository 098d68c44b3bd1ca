"""Reconstruction errors of channel groups, and of images at several scales."""

from collections.abc import Sequence

import keras

from keras_ssl.losses.numeric import as_float, masked_mean, same_shape
from keras_ssl.typing import Tensor

__all__ = ["grouped_pixel_loss", "image_absolute_error"]


def grouped_pixel_loss(predictions: Sequence[Tensor], targets: Sequence[Tensor], hidden: Tensor) -> Tensor:
    """The mean squared error of the hidden patches of each sample, where patches are cut from groups of channels.

    `sum over groups g and patches t of hidden_gt mean_p (prediction_gtp - target_gtp)^2 / sum of hidden_gt`; 0 where
    nothing is hidden. Groups may have patches of different sizes. Of one group this is `masked_pixel_loss`.

    Args:
        predictions: of each of G groups, `[N, T, P_g]`.
        targets: likewise; no gradient flows through them.
        hidden: 1 for hidden patches, else 0; `[N, G * T]`, group by group.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if numbers or shapes do not fit.

    Example:

    >>> ones, zeros = np.ones((1, 2, 3), "float32"), np.zeros((1, 2, 3), "float32")
    >>> float(grouped_pixel_loss([ones, zeros], [zeros, zeros], np.array([[1.0, 0.0, 1.0, 0.0]], "float32"))[0])
    0.5

    Reference: Cong et al., "SatMAE: Pre-training Transformers for Temporal and Multi-Spectral Satellite Imagery",
    NeurIPS 2022.
    """
    shapes = [[tuple(part.shape) for part in parts] for parts in (predictions, targets)]
    if not predictions or len(predictions) != len(targets) or not all(map(same_shape, *shapes)):
        raise ValueError(
            "`predictions` and `targets` must hold tensors of the same shapes [N, T, P]. "
            f"Received: predictions of shapes {shapes[0]}, targets of shapes {shapes[1]}"
        )
    ops = keras.ops
    errors = [
        ops.mean(ops.square(as_float(prediction) - ops.stop_gradient(as_float(target, prediction))), axis=-1)
        for prediction, target in zip(predictions, targets, strict=True)
    ]
    return masked_mean(ops.concatenate(errors, axis=1), "hidden", hidden)


def image_absolute_error(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean absolute error of all pixels of each image, hidden or not.

    Args:
        prediction: `[N, H, W, C]`.
        target: `[N, H, W, C]`; no gradient flows through it.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if the shapes do not fit.

    Example:

    >>> float(image_absolute_error(np.full((1, 2, 2, 1), 3.0), np.full((1, 2, 2, 1), 1.0))[0])
    2.0
    """
    if not same_shape(prediction.shape, target.shape) or len(prediction.shape) != 4:
        raise ValueError(
            "`prediction` and `target` must have one shape [N, H, W, C]. "
            f"Received: prediction.shape={tuple(prediction.shape)}, target.shape={tuple(target.shape)}"
        )
    ops = keras.ops
    return ops.mean(ops.abs(as_float(prediction) - ops.stop_gradient(as_float(target, prediction))), axis=(1, 2, 3))
