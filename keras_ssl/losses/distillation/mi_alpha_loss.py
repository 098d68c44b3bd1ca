"""Mutual information between two representations, as an interpolated lower bound."""

import math

import keras

from keras_ssl.losses.numeric import as_float, check_pair, check_positive, l2_normalize
from keras_ssl.typing import Tensor

__all__ = ["mi_alpha_bound", "mi_alpha_loss"]


def mi_alpha_bound(scores: Tensor, alpha: float = 0.5, log_baseline: Tensor | float = 1.0) -> Tensor:
    """A lower bound of the mutual information of pairs, between InfoNCE and the bound of Nguyen, Wainwright and Jordan.

    With critic scores `f(x_i, y_j)` and the baseline `a_j = alpha mean_i e^f(x_i, y_j) + (1 - alpha) q_j`:
    `1 + mean_j [f(x_j, y_j) - log a_j] - mean_j mean_(i != j) [e^f(x_i, y_j) / a_j]` where alpha < 1. The last mean is
    over pairs that do not belong together, whose baseline leaves x_j out. At alpha = 1 the bound is InfoNCE,
    `mean_j [f(x_j, y_j) - log mean_i e^f(x_i, y_j)]`, at most log N.

    Args:
        scores: `[N, N]`: row i is x_i, column j is y_j; pairs that belong together stand on the diagonal; N > 1.
        alpha: in [0, 1]: 0 has little bias and much variance, 1 the other way round. Defaults to 0.5.
        log_baseline: log q, a number or `[N]`. Defaults to 1 (q = e), for which alpha = 0 is the bound of Nguyen,
            Wainwright and Jordan.

    Returns:
        A scalar.

    Raises:
        ValueError: if alpha lies outside [0, 1] or the scores are no square matrix of at least two rows.

    Example:

    >>> round(float(mi_alpha_bound(keras.ops.full((4, 4), 1.0), alpha=0.3)), 6)  # a constant critic, q = e^c
    0.0

    Reference: Poole et al., "On Variational Bounds of Mutual Information", ICML 2019; He et al., "Distiller: A
    Systematic Study of Model Distillation Methods in Natural Language Processing", 2021.
    """
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"`alpha` must lie in [0, 1]. Received: alpha={alpha}")
    shape = tuple(scores.shape)
    if len(shape) != 2 or shape[0] != shape[1] or shape[0] < 2:
        raise ValueError(f"`scores` must be a square matrix of at least two rows. Received: scores.shape={shape}")
    ops = keras.ops
    scores, count = as_float(scores), shape[0]
    own = ops.diagonal(scores)
    if alpha == 1.0:
        return ops.mean(own - ops.logsumexp(scores, axis=0)) + math.log(count)
    log_q = ops.broadcast_to(as_float(log_baseline, scores), (count,))
    log_alpha, log_rest = (math.log(alpha) if alpha else -1e30), math.log1p(-alpha)
    log_mean = ops.logsumexp(scores, axis=0) - math.log(count)  # over all x, the own one among them
    log_a = ops.logaddexp(log_alpha + log_mean, log_rest + log_q)
    off = ops.where(ops.cast(ops.eye(count), "bool"), ops.full_like(scores, -1e30), scores)
    # For a pair (i, j) that does not belong together, the baseline is over the x that do not belong to y_j.
    log_mean_off = ops.logsumexp(off, axis=0) - math.log(count - 1)
    log_a_off = ops.logaddexp(log_alpha + log_mean_off, log_rest + log_q)
    return 1.0 + ops.mean(own - log_a) - ops.mean(ops.exp(log_mean_off - log_a_off))


def mi_alpha_loss(
    student: Tensor, teacher: Tensor, alpha: float = 0.9, temperature: float = 0.1, log_baseline: float = 1.0
) -> Tensor:
    """The negative bound of the mutual information of two sets of features of one width, by their cosines over T.

    Args:
        student: features, `[N, D]`.
        teacher: features, `[N, D]`, without gradient.
        alpha: as for `mi_alpha_bound`. Defaults to 0.9.
        temperature: T > 0. Defaults to 0.1.
        log_baseline: as for `mi_alpha_bound`. Defaults to 1.

    Returns:
        A scalar.

    Raises:
        ValueError: if an argument is out of range, or the features are not two matrices of one shape.
    """
    check_positive("temperature", temperature)
    check_pair(student, teacher)
    ops = keras.ops
    s, t = l2_normalize(student), ops.stop_gradient(l2_normalize(teacher, student))
    return -mi_alpha_bound(ops.matmul(s, ops.transpose(t)) / temperature, alpha, log_baseline)
