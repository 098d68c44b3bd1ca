"""Contrast with a temperature for every pair, as in adaptive multi-head contrastive learning."""

import keras

from keras_ssl.losses.barlow_twins_loss import cross_correlation
from keras_ssl.losses.info_nce_loss import contrastive_cross_entropy
from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor


def temperature_from_score(score: Tensor, low: float, high: float) -> Tensor:
    """`low + (high - low) * sigmoid(-score)`: pairs that score high are taken to be certain, and get a low one."""
    return low + (high - low) * keras.ops.sigmoid(-as_float(score))


def temperature_penalty(temperature: Tensor, dimension: int) -> Tensor:
    """Omega, `dimension / 2 * log(t) + 1 / t`, smallest at `t = 2 / dimension`."""
    temperature = as_float(temperature)
    return 0.5 * dimension * keras.ops.log(temperature) + 1.0 / temperature


def adaptive_contrastive_loss(
    cosines: Tensor,
    temperature: Tensor,
    labels: Tensor,
    excluded: Tensor | None = None,
    penalty_weight: float = 0.0,
    dimension: int = 1,
    hardest: int | None = None,
) -> Tensor:
    r"""Contrast of each row's positive with its negatives, every pair at its own temperature.

    With `l_ij = s_ij / t_ij - penalty_weight * Omega(t_ij)`, the logarithm of the likelihood of a pair:
    `mean_i( -l_i+ + logsumexp_j l_ij )`, the sum over all that is not excluded, which at one temperature and without
    a penalty is the cross-entropy of NT-Xent and InfoNCE. With `hardest`, as in the authors' code, the second term is
    the mean of `l_ij` over the negatives of the `hardest` largest cosines.

    Args:
        cosines: s, `[N, M]`.
        temperature: t > 0, of the same shape, or a scalar.
        labels: column of each row's positive, integer `[N]`.
        excluded: booleans `[N, M]`: entries that are neither positive nor negative.
        penalty_weight: beta. Defaults to 0.
        dimension: width of the embeddings, for Omega. Defaults to 1.
        hardest: how many negatives count; None (default) is the softmax over all.

    Returns:
        A scalar.

    Reference:
        Wang et al., "Adaptive Multi-head Contrastive Learning", ECCV 2024.
    """
    ops = keras.ops
    cosines = as_float(cosines)
    temperature = as_float(temperature) + ops.zeros_like(cosines)
    logits = cosines / temperature
    if penalty_weight:
        logits = logits - penalty_weight * temperature_penalty(temperature, dimension)
    if hardest is None:
        return contrastive_cross_entropy(logits, labels, excluded)
    columns = ops.arange(ops.shape(cosines)[1], dtype="int32")
    positive = ops.equal(ops.expand_dims(ops.cast(labels, "int32"), 1), ops.expand_dims(columns, 0))
    out = positive if excluded is None else ops.logical_or(positive, excluded)
    _, chosen = ops.top_k(ops.where(out, ops.cast(-1e9, cosines.dtype), ops.stop_gradient(cosines)), hardest)
    negatives = ops.mean(ops.take_along_axis(logits, chosen, axis=1))
    return negatives - ops.mean(ops.take_along_axis(logits, ops.expand_dims(labels, 1), axis=1))


def adaptive_barlow_twins_loss(
    z1: Tensor,
    z2: Tensor,
    temperature: Tensor,
    redundancy_weight: float = 0.0051,
    penalty_weight: float = 0.0,
) -> Tensor:
    r"""Barlow Twins with a temperature for every pair of dimensions.

    `sum_i (1 - C_ii / t_ii)^2 + redundancy_weight * sum_{i != j} C_ij^2 / t_ij + penalty_weight * (sum_i Omega(t_ii) -
    sum_{i != j} Omega(t_ij))` with `C = cross_correlation(z1, z2)`; at temperature 1 it is the Barlow Twins loss.

    Args:
        z1: embeddings of the first view, `[N, D]`.
        z2: embeddings of the second view, `[N, D]`.
        temperature: t > 0, `[D, D]`, or a scalar.
        redundancy_weight: lambda. Defaults to `0.0051`.
        penalty_weight: beta. Defaults to 0.

    Returns:
        A scalar.
    """
    ops = keras.ops
    correlation = cross_correlation(z1, z2)
    temperature = as_float(temperature) + ops.zeros_like(correlation)
    width = correlation.shape[0]
    same = ops.eye(width, dtype=correlation.dtype)
    invariance = ops.sum(same * ops.square(1.0 - correlation / temperature))
    redundancy = ops.sum((1.0 - same) * ops.square(correlation) / temperature)
    loss = invariance + redundancy_weight * redundancy
    if penalty_weight:
        loss = loss + penalty_weight * ops.sum((2.0 * same - 1.0) * temperature_penalty(temperature, width))
    return loss
