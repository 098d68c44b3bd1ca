"""A softmax in which positives do not compete with each other."""

import keras

from keras_ssl.losses.metric.checks import check_entries, check_finite_positive, check_matrix, check_same_shape
from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.view_similarities import log_sum_exp
from keras_ssl.typing import Tensor

__all__ = ["decoupled_softmax_loss"]


def decoupled_softmax_loss(scores: Tensor, positives: Tensor, temperature: float = 1.0) -> Tensor:
    r"""Softmax cross-entropy of several positives, each of which competes with the negatives alone.

    With the scores s of a row over T, and P its positives:

    `-sum_{l in P} log( e^{s_l} / (e^{s_l} + sum_{j not in P} e^{s_j}) )`,

    the sum over the positives of a row, the mean over all N rows. With one positive it is the softmax cross-entropy.
    The score of a positive does not change the terms of the others. A row without positives, or without negatives,
    has the loss 0 and counts in the mean.

    Args:
        scores: `[N, L]`, of N queries and L candidates.
        positives: 1 where a candidate is a positive of the query, else 0: numbers or booleans `[N, L]`.
        temperature: T > 0, by which the scores are divided. Defaults to 1; for cosines take about 0.05.

    Returns:
        A scalar.

    Raises:
        ValueError: if shapes differ or are not `[N, L]`, the temperature is not positive, or `positives` has an entry
            outside [0, 1] (arrays only).

    Example:

    >>> round(float(decoupled_softmax_loss(np.zeros((1, 4)), np.array([[1, 1, 0, 0]]))), 4)
    2.1972

    Reference:
        Gupta et al., "Dual-Encoders for Extreme Multi-Label Classification", ICLR 2024.
    """
    check_finite_positive("temperature", temperature)
    check_entries("positives", positives, 0.0, 1.0)
    ops = keras.ops
    scores, chosen = as_float(check_matrix("scores", scores)), check_matrix("positives", positives)
    check_same_shape("scores", scores, "positives", chosen)
    # Infinite scores stand for candidates that are left out; their differences would be NaN.
    logits = ops.clip(scores / temperature, -1e9, 1e9)
    positive = ops.cast(chosen, logits.dtype)
    rivals = log_sum_exp(logits, excluded=ops.cast(chosen, "bool"))
    # -log(a / (a + b)) = softplus(log b - log a)
    terms = ops.softplus(rivals[:, None] - logits)
    return ops.mean(ops.sum(positive * terms, axis=1))
