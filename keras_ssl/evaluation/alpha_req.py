"""alpha-ReQ: how fast the spectrum of features decays."""

import numpy as np

from keras_ssl.evaluation.spectrum import covariance_eigenvalues, in_range
from keras_ssl.evaluation.validation import as_features
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


def alpha_req(features: Tensor, first: int = 1, last: int | None = None) -> float:
    r"""The exponent of the power law that the eigenvalues of the features' covariance follow.

    .. math:: \lambda_i \propto i^{-\alpha}

    fitted to the logarithms of the eigenvalues of numbers `first` to `last` (counted from 1, the largest) by
    least squares with weights `1 / i`, so that every octave counts about alike. The floor is 0: all directions
    used alike, as after whitening. There is no ceiling: a steep decay has a large exponent, and collapse to
    one direction has no second eigenvalue and gives infinity. The paper finds the best representations near 1.

    N samples have N - 1 eigenvalues at most, since the mean is taken off; eigenvalues that are zero up to
    rounding are left out. The tail bends down where N is not several times D, which `last` can leave out; the
    authors' experiments cut off both ends, for instance from 11 to 50 or 3 to 100.

    Args:
        features: `[N, D]`, any floating type; computed in float64.
        first: number of the first eigenvalue to fit. Defaults to 1.
        last: number of the last, which may exceed their number. Defaults to `None`: all.

    Returns:
        The exponent; infinity if only one eigenvalue is not zero, NaN if none is (features that are all alike).

    Raises:
        ValueError: if the features are not `[N, D]`, a row holds NaN or infinity (its number is named), `first`
            or `last` is not a positive integer, or the range holds fewer than two of the eigenvalues.

    Example:

    >>> round(alpha_req([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 6)
    2.0

    Reference:
        Agrawal et al., "alpha-ReQ: Assessing Representation Quality in Self-Supervised Learning by Measuring
        Eigenspectrum Decay", NeurIPS 2022. The weights: Stringer et al., "High-dimensional geometry of
        population responses in visual cortex", Nature 2019.
    """
    first = check_integer("first", first, 1)
    last = None if last is None else check_integer("last", last, 1)
    values = covariance_eigenvalues(in_range(as_features("features", features)))
    if len(values) < 2:
        return float("inf") if len(values) else float("nan")
    numbers = np.arange(1, len(values) + 1)[first - 1 : last]
    if len(numbers) < 2:
        raise ValueError(
            f"Arguments `first` and `last` must span two of the {len(values)} eigenvalues that are not zero. "
            f"Received: first={first}, last={last}"
        )
    x, y, weights = np.log(numbers), np.log(values[numbers - 1]), 1 / numbers
    x_mean, y_mean = np.average(x, weights=weights), np.average(y, weights=weights)
    slope = np.sum(weights * (x - x_mean) * (y - y_mean)) / np.sum(weights * (x - x_mean) ** 2)
    return float(-slope)
