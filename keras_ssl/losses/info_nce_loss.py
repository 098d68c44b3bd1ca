"""InfoNCE, the cross-entropy that every contrastive objective shares."""

import keras

from keras_ssl.losses.numeric import as_float, check_pair, check_positive, l2_normalize
from keras_ssl.losses.view_similarities import entries, log_sum_exp
from keras_ssl.typing import Tensor


def contrastive_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    excluded: Tensor | None = None,
    label_smoothing: float = 0.0,
    weights: Tensor | None = None,
) -> Tensor:
    """Mean of `-log softmax(logits)[labels]`, leaving the `excluded` entries out of the sum.

    Args:
        logits: similarities over temperature, `[N, M]`.
        labels: column of each row's positive, integer `[N]`.
        excluded: booleans `[N, M]`: entries that are neither positive nor negative (a sample against itself).
        label_smoothing: part of the target that is spread evenly over all entries that are not excluded. Defaults
            to 0.
        weights: of the rows in the mean, `[N]`, at least 0; None (default) weighs all alike.

    Returns:
        A scalar.
    """
    target = entries(logits, labels)
    if label_smoothing:
        kept = keras.ops.ones_like(logits)
        if excluded is not None:
            kept = keras.ops.cast(keras.ops.logical_not(excluded), logits.dtype)
        average = keras.ops.sum(kept * logits, axis=1) / keras.ops.sum(kept, axis=1)
        target = (1.0 - label_smoothing) * target + label_smoothing * average
    losses = log_sum_exp(logits, excluded) - target
    if weights is None:
        return keras.ops.mean(losses)
    total = keras.ops.sum(weights)
    # Without any weight the loss is zero; a weight that is not a number shows in it.
    return keras.ops.sum(weights * losses) / keras.ops.where(keras.ops.equal(total, 0.0), 1.0, total)


def info_nce_loss(
    queries: Tensor,
    keys: Tensor,
    temperature: float = 0.1,
    negatives: Tensor | None = None,
    own_negatives: Tensor | None = None,
    weights: Tensor | None = None,
    unit_negatives: bool = False,
) -> Tensor:
    r"""InfoNCE: each query should be nearer to its own key than to the negatives.

    `-mean_i log( exp(q_i.k_i / T) / sum_j exp(q_i.k_j / T) )` with rows L2-normalized. Without `negatives`, `j` runs
    over all keys of the batch; with them, over the query's own key and the rows of `negatives`, as in MoCo. The
    chance value is the logarithm of the number of candidates.

    Args:
        queries: `[N, D]`.
        keys: `[N, D]`; row i is the positive of query i. Pass them through `stop_gradient` where a teacher made them.
        temperature: T > 0. Defaults to `0.1`.
        negatives: `[K, D]` embeddings that are nobody's positive, or None (default): the other keys.
        own_negatives: `[N, M, D]`, M further negatives for each query alone; None (default) is none.
        weights: of the queries in the mean, `[N]`, at least 0; None (default) weighs all alike.
        unit_negatives: whether the rows of `negatives` have length 1 as they come. A large queue is then not copied.
            Defaults to False.

    Returns:
        A scalar.

    Raises:
        ValueError: if the temperature is not positive.

    Reference:
        van den Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018;
        He et al., "Momentum Contrast for Unsupervised Visual Representation Learning", CVPR 2020.
    """
    check_positive("temperature", temperature)
    queries, keys = as_float(queries), as_float(keys, queries)
    check_pair(queries, keys)
    queries, keys = l2_normalize(queries), l2_normalize(keys)
    count = keras.ops.shape(queries)[0]
    if negatives is None:
        logits = keras.ops.matmul(queries, keras.ops.transpose(keys))
        labels = keras.ops.arange(count, dtype="int32")
    else:
        positive = keras.ops.sum(queries * keys, axis=1, keepdims=True)
        others = as_float(negatives, queries) if unit_negatives else l2_normalize(negatives, queries)
        negative = keras.ops.matmul(queries, keras.ops.transpose(others))
        logits = keras.ops.concatenate([positive, negative], axis=1)
        labels = keras.ops.zeros((count,), dtype="int32")
    if own_negatives is not None:
        own = l2_normalize(own_negatives, queries)
        extra = keras.ops.matmul(own, keras.ops.expand_dims(queries, 2))[:, :, 0]
        logits = keras.ops.concatenate([logits, extra], axis=1)
    return contrastive_cross_entropy(logits / temperature, labels, weights=weights)
