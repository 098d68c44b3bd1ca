"""The loss of the prediction of the next embedding."""

import keras

from keras_ssl.losses.numeric import l2_normalize
from keras_ssl.typing import Tensor

__all__ = ["next_embedding_loss"]


def next_embedding_loss(outputs: Tensor, embeddings: Tensor) -> Tensor:
    """Minus the mean cosine of each output with the embedding of the next place, for each sample.

    `-1 / (T - 1) sum_{t < T} cos(outputs_t, embeddings_{t+1})`, in [-1, 1].

    Args:
        outputs: of a causal encoder, `[N, T, D]`; the last counts nothing.
        embeddings: of the places, `[N, T, D]`; the first counts nothing, and no gradient flows through them.

    Returns:
        float32 `[N]`.

    Raises:
        ValueError: if the shapes do not fit, or there are fewer than two places.

    Example:

    >>> embeddings = np.array([[[9.0, 9.0], [1.0, 0.0], [0.0, 2.0]]])
    >>> outputs = np.array([[[3.0, 0.0], [1.0, 0.0], [5.0, 5.0]]])
    >>> round(float(next_embedding_loss(outputs, embeddings)[0]), 4)  # cosines 1 and 0
    -0.5

    Reference: Xu et al., "Next-Embedding Prediction Makes Strong Vision Learners", 2025,
    https://arxiv.org/abs/2512.16922.
    """
    shapes = tuple(outputs.shape), tuple(embeddings.shape)
    if len(shapes[0]) != 3 or shapes[0][1:] != shapes[1][1:] or shapes[0][1] < 2:
        raise ValueError(
            "`outputs` and `embeddings` must have one shape [N, T, D] with T at least 2. "
            f"Received: outputs.shape={shapes[0]}, embeddings.shape={shapes[1]}"
        )
    ops = keras.ops
    wanted = ops.stop_gradient(l2_normalize(embeddings[:, 1:], outputs))
    return -ops.mean(ops.sum(l2_normalize(outputs[:, :-1]) * wanted, axis=-1), axis=1)
