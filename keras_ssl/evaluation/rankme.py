"""RankMe: how many dimensions features really use."""

from keras_ssl.evaluation.spectrum import effective_rank, singular_values
from keras_ssl.evaluation.validation import as_features
from keras_ssl.typing import Tensor

_EPSILON = 1e-7


def rankme(features: Tensor) -> float:
    r"""The effective rank of features: the exponential of the entropy of their normalized singular values.

    .. math::

        \exp\Bigl(-\sum_k p_k \log p_k\Bigr), \qquad p_k = \frac{\sigma_k}{\lVert \sigma \rVert_1} + 10^{-7}

    with the singular values of the features as given: neither centered nor normalized. It lies between 1 (all
    features on one line through the origin: collapse) and `min(N, D)` (all directions used alike), both up to
    the 1e-7. The ceiling grows with N until N reaches D, so compare values at the same number of samples,
    several times D. It needs no labels, and within one method and data set a higher value mostly means a
    better linear probe.

    Args:
        features: `[N, D]`, any floating type; computed in float64. A few thousand samples suffice; time grows
            as `N * D * min(N, D)`.

    Returns:
        The effective rank. Features that are all zero have 1.

    Raises:
        ValueError: if the features are not `[N, D]` or a row holds NaN or infinity (its number is named).

    Example:

    >>> round(rankme([[3.0, 0.0], [0.0, 3.0]]), 4)
    2.0

    Reference:
        Garrido et al., "RankMe: Assessing the Downstream Performance of Pretrained Self-Supervised
        Representations by Their Rank", ICML 2023.
    """
    return effective_rank(singular_values(as_features("features", features)), _EPSILON)
