"""Averages of a teacher's layers, the targets of data2vec 2.0."""

from collections.abc import Sequence

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor

__all__ = ["layer_average_targets"]


def layer_average_targets(layers: Sequence[Tensor], epsilon: float = 1e-5) -> Tensor:
    """The mean of layers, each standardized by channel over the tokens of a sample, standardized by token.

    First each channel of each layer has mean 0 and variance 1 over the tokens of a sample (instance normalization);
    then the layers are averaged; then each token has mean 0 and variance 1 over its channels (layer normalization
    without weights). `epsilon` is added to each variance.

    Args:
        layers: tokens `[N, T, D]` of one or more layers.
        epsilon: at least 0. Defaults to 1e-5.

    Returns:
        float32 `[N, T, D]`. No gradient flows through it.

    Raises:
        ValueError: if there is no layer, or one is not `[N, T, D]`, or `epsilon` is negative or not finite.

    Example:

    >>> tokens = np.array([[[1.0, -1.0], [3.0, -5.0]]])
    >>> [round(float(x), 2) for x in keras.ops.reshape(layer_average_targets([tokens]), (-1,))]
    [-1.0, 1.0, 1.0, -1.0]

    Reference: Baevski et al., "Efficient Self-supervised Learning with Contextualized Target Representations for
    Vision, Speech and Language", ICML 2023, https://arxiv.org/abs/2212.07525.
    """
    if not layers or any(len(layer.shape) != 3 for layer in layers):
        raise ValueError(
            "`layers` must be one or more of tokens [N, T, D]. "
            f"Received: layers of shapes {[tuple(layer.shape) for layer in layers]}"
        )
    check_number("epsilon", epsilon, 0.0)
    ops = keras.ops
    mean = sum(_standardized(as_float(layer), 1, epsilon) for layer in layers) / len(layers)
    return ops.stop_gradient(_standardized(mean, 2, epsilon))


def _standardized(x: Tensor, axis: int, epsilon: float) -> Tensor:
    ops = keras.ops
    centered = x - ops.mean(x, axis=axis, keepdims=True)
    return centered / ops.sqrt(ops.mean(ops.square(centered), axis=axis, keepdims=True) + epsilon)
