"""The regression loss of BYOL."""

from keras_ssl.losses.simsiam_loss import simsiam_loss
from keras_ssl.typing import Tensor


def byol_loss(prediction: Tensor, target: Tensor) -> Tensor:
    r"""BYOL: squared distance of the L2-normalized prediction and target, `mean_i(2 - 2 cos(p_i, t_i))`.

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
    return 2.0 + 2.0 * simsiam_loss(prediction, target)
