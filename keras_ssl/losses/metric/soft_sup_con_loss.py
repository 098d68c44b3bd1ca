"""Supervised contrast with positives by degrees."""

import math

import keras

from keras_ssl.losses.metric.checks import check_entries, check_finite_positive, check_matrix
from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.view_similarities import log_sum_exp, view_similarities
from keras_ssl.typing import Tensor

__all__ = ["soft_sup_con_loss"]


def soft_sup_con_loss(z1: Tensor, z2: Tensor, similarity: Tensor, temperature: float = 0.1) -> Tensor:
    r"""SupCon whose positives have weights: how similar the labels of two samples are.

    With `z = concat(z1, z2)`, rows L2-normalized, `f_ij` the similarity of the samples of rows i and j, and
    `log p_ij = z_i.z_j / T - log sum_{k != i} exp(z_i.z_k / T)`:

    `-mean_i sum_{j != i} f_ij / (sum_{k != i} f_ik) * log p_ij`, the mean over all 2N rows.

    The similarity of 1 within a class and 0 elsewhere is `sup_con_loss`; the identity matrix is `nt_xent_loss`. A row
    of zeros has no positive: its loss is 0, and it counts in the mean.

    Args:
        z1: embeddings of the first view, `[N, D]`.
        z2: embeddings of the second view, `[N, D]`.
        similarity: of the samples, `[N, N]`, not negative. The diagonal is the weight of a sample's own other view;
            usually it is 1. No gradient flows through it.
        temperature: T > 0. Defaults to `0.1`.

    Returns:
        A scalar.

    Raises:
        ValueError: if the temperature is not positive, `similarity` is not `[N, N]`, or it holds a number that is
            negative or not finite (arrays only).

    Example:

    >>> z = np.eye(3, dtype="float32")
    >>> round(float(soft_sup_con_loss(z, z, np.eye(3), temperature=1.0)), 4)
    0.9048

    Reference:
        He et al., "SPACE-2: Tree-Structured Semi-Supervised Contrastive Pre-training for Task-Oriented Dialog
        Understanding", COLING 2022.
    """
    check_finite_positive("temperature", temperature)
    check_entries("similarity", similarity, 0.0, math.inf)
    ops = keras.ops
    pairs = view_similarities(z1, z2)
    weights = ops.stop_gradient(as_float(check_matrix("similarity", similarity)))
    count = z1.shape[0]
    if any(size not in (None, count) for size in weights.shape) and count is not None:
        raise ValueError(
            f"`similarity` must be [N, N] for N = {count} samples. Received: similarity.shape={tuple(weights.shape)}"
        )
    logits = pairs.cosines / temperature
    weights = ops.cast(ops.tile(weights, (2, 2)), logits.dtype)
    weights = ops.where(pairs.oneself, ops.zeros_like(weights), weights)
    total = ops.sum(weights, axis=1)
    shares = weights / ops.where(total > 0, total, ops.ones_like(total))[:, None]
    everything = log_sum_exp(logits, excluded=pairs.oneself)
    # The shares of a row add up to 1, or to 0 where there is no positive.
    return ops.mean(ops.sum(shares * (everything[:, None] - logits), axis=1))
