"""Errors of predictions of tokens, absolute and Huber's."""

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, masked_mean, same_shape
from keras_ssl.typing import Tensor

__all__ = ["masked_absolute_error", "smooth_absolute_error"]


def masked_absolute_error(prediction: Tensor, target: Tensor, hidden: Tensor) -> Tensor:
    """The mean absolute error of the hidden patches of each sample, SimMIM's loss.

    `sum_t hidden_t mean_p |prediction_tp - target_tp| / sum_t hidden_t`; 0 where nothing is hidden.

    Args:
        prediction: `[N, T, P]`.
        target: `[N, T, P]`; no gradient flows through it.
        hidden: 1 for hidden patches, else 0; `[N, T]`.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if the shapes do not fit.

    Example:

    >>> loss = masked_absolute_error(np.full((1, 2, 3), 2.0), np.zeros((1, 2, 3)), np.array([[1.0, 0.0]]))
    >>> keras.ops.convert_to_numpy(loss).tolist()
    [2.0]

    Reference: Xie et al., "SimMIM: A Simple Framework for Masked Image Modeling", CVPR 2022.
    """
    _check(prediction, target)
    ops = keras.ops
    errors = ops.mean(ops.abs(as_float(prediction) - ops.stop_gradient(as_float(target, prediction))), axis=-1)
    return masked_mean(errors, "hidden", hidden)


def smooth_absolute_error(prediction: Tensor, target: Tensor, beta: float = 1.0) -> Tensor:
    """The smooth absolute error of each sample: quadratic below `beta`, linear above; I-JEPA's loss.

    The mean over tokens and width of `d^2 / (2 beta)` where `d = |prediction - target| < beta`, else `d - beta / 2`.

    Args:
        prediction: `[N, T, D]`.
        target: `[N, T, D]`; no gradient flows through it.
        beta: where the two parts meet, greater than 0. Defaults to 1.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if `beta` is not finite and positive, or the shapes do not fit.

    Example:

    >>> loss = smooth_absolute_error(np.array([[[0.5, 3.0]]]), np.zeros((1, 1, 2)))
    >>> float(loss[0])  # (0.125 + 2.5) / 2
    1.3125

    Reference: Assran et al., "Self-Supervised Learning from Images with a Joint-Embedding Predictive Architecture",
    CVPR 2023.
    """
    _check(prediction, target)
    ops, beta = keras.ops, check_number("beta", beta, 0.0, above=True)
    distance = ops.abs(as_float(prediction) - ops.stop_gradient(as_float(target, prediction)))
    errors = ops.where(distance < beta, 0.5 * ops.square(distance) / beta, distance - 0.5 * beta)
    return ops.mean(errors, axis=(1, 2))


def _check(prediction: Tensor, target: Tensor) -> None:
    if not same_shape(prediction.shape, target.shape) or len(prediction.shape) != 3:
        raise ValueError(
            "`prediction` and `target` must have one shape [N, T, D]. "
            f"Received: prediction.shape={tuple(prediction.shape)}, target.shape={tuple(target.shape)}"
        )
