"""Contrastive learning with graded similarities."""

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import as_float, same_shape
from keras_ssl.losses.view_similarities import log_sum_exp, view_similarities
from keras_ssl.typing import Tensor

__all__ = ["soft_contrastive_loss"]


def soft_contrastive_loss(
    z1: Tensor, z2: Tensor, similarities: Tensor, temperature: float = 0.1, target_temperature: float = 0.1
) -> Tensor:
    r"""X-CLR: NT-Xent whose target is a distribution over all other views instead of the own other view.

    With `z = concat(z1, z2)`, rows L2-normalized, and `S` the similarities of samples, repeated for both views:

        p_ij = exp(z_i.z_j / T) / sum_{k != i} exp(z_i.z_k / T)
        s_ij = exp(S_ij / T_s) / sum_{k != i} exp(S_ik / T_s)
        loss = -mean_i sum_{j != i} s_ij log p_ij

    The two views of one sample have the similarity 1, whatever the diagonal of `similarities` holds. Where all other
    similarities are far below 1 in units of `T_s`, this is NT-Xent. Chance value: `log(2N - 1)`. The least value is the
    mean entropy of the targets.

    Args:
        z1: embeddings of the first view, `[N, D]`.
        z2: embeddings of the second view, `[N, D]`.
        similarities: of the samples, at most 1, `[N, N]`; no gradient flows through them.
        temperature: T > 0. Defaults to 0.1.
        target_temperature: T_s > 0. Defaults to 0.1.

    Returns:
        A scalar.

    Raises:
        ValueError: if a temperature is not finite and positive, or `similarities` is no square matrix.

    Example:

    >>> z = np.zeros((2, 3))
    >>> round(float(soft_contrastive_loss(z, z, np.eye(2))), 4)  # log 3
    1.0986

    Reference: Sobal et al., "X-Sample Contrastive Loss: Improving Contrastive Learning with Sample Similarity Graphs",
    ICLR 2025.
    """
    ops = keras.ops
    check_number("temperature", temperature, 0.0, above=True)
    check_number("target_temperature", target_temperature, 0.0, above=True)
    similarities = ops.stop_gradient(as_float(similarities))
    pairs, samples = view_similarities(z1, z2), z1.shape[0]
    if not same_shape(similarities.shape, (samples, samples)):
        raise ValueError(
            "`similarities` must be a matrix [N, N] of the samples of `z1`. "
            f"Received: similarities.shape={tuple(similarities.shape)}, z1.shape={tuple(z1.shape)}"
        )
    logits = pairs.cosines / temperature
    graph = ops.tile(ops.cast(similarities, logits.dtype), (2, 2))
    graph = ops.where(pairs.same_sample, ops.ones_like(graph), graph) / target_temperature
    log_targets = graph - log_sum_exp(graph, excluded=pairs.oneself)[:, None]
    targets = ops.where(pairs.oneself, ops.zeros_like(graph), ops.exp(log_targets))
    log_predicted = logits - log_sum_exp(logits, excluded=pairs.oneself)[:, None]
    return -ops.mean(ops.sum(targets * log_predicted, axis=1))
