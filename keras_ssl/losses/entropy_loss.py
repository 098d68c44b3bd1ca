"""The entropy of predictions."""

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor


def entropy_loss(logits: Tensor) -> Tensor:
    """The entropy of each row's softmax, `-sum_k p_k log p_k`, in nats.

    Args:
        logits: `[N, K]`.

    Returns:
        float32 `[N]`, from 0 (one class is certain) to log K.

    Example:

    >>> round(float(entropy_loss(keras.ops.zeros((1, 4)))[0]), 4)
    1.3863
    """
    log_probabilities = keras.ops.log_softmax(as_float(logits), axis=-1)
    return -keras.ops.sum(keras.ops.exp(log_probabilities) * log_probabilities, axis=-1)
