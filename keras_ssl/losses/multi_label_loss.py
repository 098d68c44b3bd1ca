"""Binary cross-entropy of several labels of a sample, some of which may not be known."""

import keras

from keras_ssl.losses.numeric import as_float, same_shape
from keras_ssl.typing import Tensor

__all__ = ["multi_label_loss"]


def multi_label_loss(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The mean binary cross-entropy of each sample's known labels, and which samples have any.

    `mean over known l of log(1 + exp(s_l)) - y_l s_l`; 0 where no label is known.

    Args:
        logits: s, `[N, L]`.
        labels: y, `[N, L]`, each in [0, 1]; negative where it is not known. No gradient flows through them.

    Returns:
        The losses, and 1 for samples with a known label, else 0: float32 `[N]` each.

    Raises:
        ValueError: if the shapes are not one and `[N, L]`.

    Example:

    >>> losses, known = multi_label_loss(np.zeros((2, 2)), np.array([[1.0, -1.0], [-1.0, -1.0]]))
    >>> round(float(losses[0]), 4), float(losses[1]), keras.ops.convert_to_numpy(known).tolist()
    (0.6931, 0.0, [1.0, 0.0])
    """
    if not same_shape(logits.shape, labels.shape) or len(logits.shape) != 2:
        raise ValueError(
            "`logits` and `labels` must have one shape [N, L]. "
            f"Received: logits.shape={tuple(logits.shape)}, labels.shape={tuple(labels.shape)}"
        )
    ops = keras.ops
    s, y = as_float(logits), ops.stop_gradient(as_float(labels, logits))
    known = ops.cast(y >= 0.0, s.dtype)
    losses = known * (ops.softplus(s) - ops.maximum(y, 0.0) * s)
    count = ops.sum(known, axis=1)
    return ops.sum(losses, axis=1) / ops.maximum(count, 1.0), ops.cast(count > 0.0, s.dtype)
