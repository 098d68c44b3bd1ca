"""The negative cosine similarity of SimSiam."""

import keras

from keras_ssl.losses.numeric import as_float, check_pair, l2_normalize
from keras_ssl.typing import Tensor


def simsiam_loss(prediction: Tensor, target: Tensor) -> Tensor:
    r"""SimSiam: negative cosine similarity of prediction and target, `-mean_i cos(p_i, t_i)`.

    In one direction; the objective takes the mean of the two. BYOL's loss is `2 + 2 simsiam_loss`. The gradient is
    not stopped here: the objective stops the target's.

    Args:
        prediction: `[N, D]`, from the predictor.
        target: `[N, D]`, the other view's projection.

    Returns:
        A scalar in [-1, 1].

    Raises:
        ValueError: if the embeddings are not two matrices of one shape.

    Reference:
        Chen & He, "Exploring Simple Siamese Representation Learning", CVPR 2021.
    """
    prediction, target = as_float(prediction), as_float(target, prediction)
    check_pair(prediction, target)
    return -keras.ops.mean(keras.ops.sum(l2_normalize(prediction) * l2_normalize(target), axis=1))
