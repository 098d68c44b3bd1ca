"""Contrastive losses of two or more views, with one term for each sample."""

import math
from collections.abc import Sequence

import keras

from keras_ssl.losses.numeric import check_positive
from keras_ssl.losses.view_similarities import ViewSimilarities, log_sum_exp, view_similarities
from keras_ssl.typing import Tensor


def multi_view_info_nce_loss(views: Sequence[Tensor], temperature: float = 0.1) -> Tensor:
    r"""MV-InfoNCE: all pairs of views of a sample against all pairs that one of its views takes part in.

    `-mean_i log( sum_{v != v'} e(i,v; i,v') / sum_v sum_{(j,v') != (i,v)} e(i,v; j,v') )` with
    `e(i,v; j,w) = exp(z_i^v.z_j^w / T)`, rows L2-normalized. Never negative. Chance value:
    `log((V N - 1) / (V - 1))` for V views of N samples.

    Args:
        views: V >= 2 tensors `[N, D]`; their order does not matter.
        temperature: T > 0. Defaults to `0.1`.

    Returns:
        A scalar.

    Raises:
        ValueError: for fewer than two views, or if the temperature is not positive.

    Reference:
        Koromilas et al., "A Principled Framework for Multi-View Contrastive Learning", 2025.
    """
    check_positive("temperature", temperature)
    pairs = view_similarities(*views)
    logits = pairs.cosines / temperature
    everything = log_sum_exp(_by_sample(log_sum_exp(logits, excluded=pairs.oneself), len(views)))
    return keras.ops.mean(everything - _alignment(pairs, logits, len(views)))


def multi_view_dhel_loss(views: Sequence[Tensor], temperature: float = 0.1) -> Tensor:
    r"""MV-DHEL: all pairs of views of a sample, decoupled from the other samples, view by view.

    `-mean_i log( sum_{v < v'} e(i,v; i,v') / prod_v sum_{j != i} e(i,v; j,v) )` with `e(i,v; j,w) =
    exp(z_i^v.z_j^w / T)`, rows L2-normalized: negatives come from within a view. It may be negative. Chance value:
    `V log(N - 1) - log(V (V - 1) / 2) + (V - 1) / T` when all embeddings are one point.

    Args:
        views: V >= 2 tensors `[N, D]`, N at least 2; their order does not matter.
        temperature: T > 0. Defaults to `0.1`.

    Returns:
        A scalar.

    Raises:
        ValueError: for fewer than two views, or if the temperature is not positive.

    Reference:
        Koromilas et al., "A Principled Framework for Multi-View Contrastive Learning", 2025.
    """
    check_positive("temperature", temperature)
    pairs = view_similarities(*views)
    logits = pairs.cosines / temperature
    elsewhere = keras.ops.logical_or(pairs.same_sample, keras.ops.logical_not(pairs.same_view))
    uniformity = keras.ops.sum(_by_sample(log_sum_exp(logits, excluded=elsewhere), len(views)), axis=1)
    # Both orders of a pair are among the positives: half their sum.
    return keras.ops.mean(uniformity - _alignment(pairs, logits, len(views)) + math.log(2.0))


def _alignment(pairs: ViewSimilarities, logits: Tensor, count: int) -> Tensor:
    """`log sum_{v != v'} exp(logit of views v and v')` of every sample, `[N]`."""
    ops = keras.ops
    others = ops.logical_or(ops.logical_not(pairs.same_sample), pairs.same_view)
    return log_sum_exp(_by_sample(log_sum_exp(logits, excluded=others), count))


def _by_sample(rows: Tensor, count: int) -> Tensor:
    """A number for each row of `ViewSimilarities` as `[N, count]`: a row for each sample, a column for each view."""
    return keras.ops.transpose(keras.ops.reshape(rows, (count, -1)))
