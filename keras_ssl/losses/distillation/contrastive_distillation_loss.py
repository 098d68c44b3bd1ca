"""Contrastive distillation by a critic that tells pairs of one sample from others."""

import math

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import check_pair, check_positive, l2_normalize
from keras_ssl.typing import Tensor

__all__ = ["contrastive_distillation_loss"]


def contrastive_distillation_loss(
    anchors: Tensor,
    positives: Tensor,
    negatives: Tensor | None = None,
    temperature: float = 0.07,
    normalizer: float | None = None,
) -> Tensor:
    """CRD's loss of each anchor: `-log h(a, p) - sum_k log(1 - h(a, n_k))`, with K negatives.

    The critic `h(u, v) = e / (e + K Z)`, `e = exp(cos(u, v) / T)`, is the probability that a pair belongs together,
    where one in K + 1 does. Gradients flow to all three inputs.

    Args:
        anchors: embeddings of one network, `[N, D]`; rows are L2-normalized here.
        positives: embeddings of the other network of the same samples, `[N, D]`.
        negatives: embeddings of the other network of other samples, `[K, D]`. Defaults to None: for each anchor the
            positives of the other rows, K = N - 1.
        temperature: T > 0. Defaults to 0.07, the paper's.
        normalizer: Z > 0; `1 / M`, M the size of the data set, is the paper's formula. Defaults to None: the mean of e
            over the negatives of the batch, without gradient, much as the authors' code has it, which keeps the mean of
            its first batch.

    Returns:
        float32 `[N]`, not negative.

    Raises:
        ValueError: if an argument is out of range or shapes do not fit.

    Example:

    >>> rows = keras.ops.eye(3)
    >>> loss = contrastive_distillation_loss(rows[:1], rows[1:2], rows[2:], normalizer=1.0)  # h = 1/2 for both pairs
    >>> round(float(loss[0]), 4)
    1.3863

    Reference: Tian et al., "Contrastive Representation Distillation", ICLR 2020, https://arxiv.org/abs/1910.10699.
    """
    check_positive("temperature", temperature)
    check_pair(anchors, positives)
    ops = keras.ops
    a, p = l2_normalize(anchors), l2_normalize(positives, anchors)
    own = ops.sum(a * p, axis=1) / temperature
    if negatives is None:
        if anchors.shape[0] is not None and anchors.shape[0] < 2:
            raise ValueError(
                f"Negatives within the batch need at least two rows. Received: anchors.shape={tuple(anchors.shape)}"
            )
        others = ops.matmul(a, ops.transpose(p)) / temperature
        counted = 1.0 - ops.eye(ops.shape(others)[0], dtype=others.dtype)
        count = ops.cast(ops.shape(others)[1] - 1, others.dtype)
    else:
        if len(negatives.shape) != 2 or negatives.shape[1] != anchors.shape[1]:
            raise ValueError(
                "Negatives must be [K, D], as wide as the anchors. "
                f"Received: negatives.shape={tuple(negatives.shape)}, anchors.shape={tuple(anchors.shape)}"
            )
        others = ops.matmul(a, ops.transpose(l2_normalize(negatives, anchors))) / temperature
        counted = ops.ones_like(others)
        count = ops.cast(ops.shape(others)[1], others.dtype)
    if normalizer is None:
        masked = ops.where(counted > 0, others, ops.full_like(others, -1e30))
        pairs = ops.log(ops.sum(counted))
        log_z = ops.stop_gradient(ops.logsumexp(ops.reshape(masked, (-1,))) - pairs)
    else:
        log_z = math.log(check_number("normalizer", normalizer, 0.0, above=True))
    offset = ops.log(count) + ops.cast(log_z, others.dtype)
    return -ops.log_sigmoid(own - offset) - ops.sum(counted * ops.log_sigmoid(offset - others), axis=1)
