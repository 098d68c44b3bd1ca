"""The inter-image term of InterCLR."""

import keras

from keras_ssl.losses.info_nce_loss import contrastive_cross_entropy
from keras_ssl.losses.numeric import as_float, check_pair, check_positive, l2_normalize
from keras_ssl.typing import Tensor


def inter_image_cross_entropy(
    positive: Tensor,
    negative: Tensor,
    temperature: float,
    margin: float,
    excluded: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    """`inter_image_loss` of cosines: `positive` `[N, 1]` and `negative` `[N, K]`; the rest is as there."""
    ops = keras.ops
    check_positive("temperature", temperature)
    logits = ops.concatenate([positive - margin, negative], axis=1) / temperature
    if excluded is not None:
        excluded = ops.concatenate([ops.zeros_like(excluded[:, :1]), excluded], axis=1)
    own = ops.zeros_like(logits[:, 0], dtype="int32")
    return contrastive_cross_entropy(logits, own, excluded, weights=None if weights is None else as_float(weights))


def inter_image_loss(
    queries: Tensor,
    positives: Tensor,
    negatives: Tensor,
    temperature: float = 0.2,
    margin: float = -0.5,
    excluded: Tensor | None = None,
    weights: Tensor | None = None,
) -> Tensor:
    r"""InfoNCE against negatives of each query's own, with a margin on the cosine of the positive.

    The mean over queries of `-log( exp((q.p - m) / T) / (exp((q.p - m) / T) + sum_k exp(q.n_k / T)) )`, rows
    L2-normalized. A negative margin m asks for less than plain InfoNCE, which suits positives that are only
    likely to show the same thing.

    Args:
        queries: `[N, D]`.
        positives: `[N, D]`.
        negatives: `[N, K, D]`.
        temperature: T > 0. Defaults to `0.2`.
        margin: m. Defaults to -0.5.
        excluded: booleans `[N, K]`: negatives to leave out. None (default) leaves out none.
        weights: `[N]`, of the mean over queries; where all are zero, so is the loss. None (default) is 1 for each.

    Returns:
        A scalar.

    Raises:
        ValueError: if the temperature is not positive.

    Reference:
        Xie et al., "Delving into Inter-Image Invariance for Unsupervised Visual Representations", IJCV 2022.
    """
    ops = keras.ops
    queries, positives, negatives = as_float(queries), as_float(positives, queries), as_float(negatives, queries)
    check_pair(queries, positives)
    queries, positives, negatives = (l2_normalize(x) for x in (queries, positives, negatives))
    positive = ops.sum(queries * positives, axis=1, keepdims=True)
    negative = ops.matmul(negatives, queries[:, :, None])[:, :, 0]
    return inter_image_cross_entropy(positive, negative, temperature, margin, excluded, weights)
