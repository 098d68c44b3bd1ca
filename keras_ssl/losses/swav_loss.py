"""The loss of SwAV."""

from collections.abc import Sequence

from keras_ssl.losses.numeric import as_float, check_positive
from keras_ssl.losses.sinkhorn import sinkhorn
from keras_ssl.losses.swapped_prediction_loss import swapped_prediction_loss
from keras_ssl.typing import Tensor


def swav_loss(
    scores: Sequence[Tensor],
    code_count: int = 2,
    temperature: float = 0.1,
    epsilon: float = 0.05,
    iterations: int = 3,
    codes: Sequence[Tensor] | None = None,
) -> Tensor:
    r"""Predict the code of one view from another view of the same image.

    Codes are `sinkhorn(scores)` of the first `code_count` views, each by itself; the loss is
    `swapped_prediction_loss(scores / T, codes)`. Chance value: `log K`.

    Args:
        scores: each view's cosines with the K prototypes, `[N, K]`, those with codes first.
        code_count: number of views that have codes (the global crops). Defaults to 2.
        temperature: T > 0. Defaults to `0.1`.
        epsilon: smoothness of the codes. Defaults to `0.05`.
        iterations: of Sinkhorn-Knopp. Defaults to 3.
        codes: the codes `[N, K]`, where they come from more than the scores (a queue); None (default) computes them.

    Returns:
        A scalar.

    Raises:
        ValueError: if the temperature or epsilon is not positive, or there are too few views.

    Reference:
        Caron et al., "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", NeurIPS 2020.
    """
    check_positive("temperature", temperature)
    if codes is None:
        codes = [sinkhorn(view, epsilon, iterations) for view in scores[:code_count]]
    return swapped_prediction_loss([as_float(view) / temperature for view in scores], codes)
