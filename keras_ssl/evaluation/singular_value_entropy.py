"""The entropy of the singular values of features: RankMe on a logarithmic scale."""

from keras_ssl.evaluation.spectrum import singular_values, spectral_entropy
from keras_ssl.evaluation.validation import as_features
from keras_ssl.typing import Tensor


def singular_value_entropy(features: Tensor) -> float:
    r"""The entropy of the normalized singular values of features, in nats.

    .. math:: -\sum_k p_k \log p_k, \qquad p_k = \frac{\sigma_k}{\lVert \sigma \rVert_1}

    with the singular values of the features as given: neither centered nor normalized. It lies between 0 (all
    features on one line through the origin) and `log min(N, D)` (all directions used alike). Its exponential
    is `rankme`, up to the 1e-7 that RankMe adds to each share. Noise among the labels of supervised
    pretraining raises it; the paper reads it beside transfer within and out of the domain.

    Args:
        features: `[N, D]`, any floating type; computed in float64.

    Returns:
        The entropy. Features that are all zero have 0.

    Raises:
        ValueError: if the features are not `[N, D]` or a row holds NaN or infinity (its number is named).

    Example:

    >>> round(singular_value_entropy([[3.0, 0.0], [0.0, 3.0]]), 4)
    0.6931

    Reference:
        Chen et al., "Understanding and Mitigating the Label Noise in Pre-training on Downstream Tasks",
        ICLR 2024.
    """
    return spectral_entropy(singular_values(as_features("features", features)))
