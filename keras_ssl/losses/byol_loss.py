"""The regression loss of BYOL."""

import keras

from keras_ssl.losses.numeric import as_float, check_pair, l2_normalize
from keras_ssl.typing import Tensor


def byol_loss(prediction: Tensor, target: Tensor) -> Tensor:
    r"""BYOL: squared distance of the L2-normalised prediction and target, `mean_i(2 - 2 cos(p_i, t_i))`.

    In one direction; the objective adds the two directions, as the paper and the authors' code do (range 0 to 8).
    The gradient is not stopped here: the target of a teacher carries none.

    Args:
        prediction: `[N, D]`, from the student's predictor.
        target: `[N, D]`, from the teacher.

    Returns:
        A scalar in [0, 4].

    Reference:
        Grill et al., "Bootstrap Your Own Latent", NeurIPS 2020.
    """
    prediction, target = as_float(prediction), as_float(target)
    check_pair(prediction, target)
    cosine = keras.ops.sum(l2_normalize(prediction) * l2_normalize(target), axis=1)
    return keras.ops.mean(2.0 - 2.0 * cosine)
