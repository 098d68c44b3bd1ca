"""The contrastive loss with hard negatives only."""

import keras

from keras_ssl.losses.info_nce_loss import contrastive_cross_entropy
from keras_ssl.losses.numeric import check_positive
from keras_ssl.losses.view_similarities import ViewSimilarities, view_similarities
from keras_ssl.typing import Tensor


def easy_negatives(pairs: ViewSimilarities, quantile: float) -> Tensor:
    """Booleans `[2N, 2N]`: the negatives of each row whose cosine lies below the row's `quantile`.

    Of M negatives, the `floor(quantile * M)` furthest ones are easy (fewer where cosines are equal), never all.
    """
    ops = keras.ops
    cosines = ops.stop_gradient(pairs.cosines)
    far = ops.where(pairs.same_sample, ops.cast(2.0, cosines.dtype), cosines)  # behind every negative in the order
    rows = ops.shape(cosines)[0]
    # In float32 on every backend, so that all of them count alike, whether or not the batch size is known.
    negatives = ops.cast(rows - 2, "float32")
    easy = ops.cast(ops.minimum(ops.floor(negatives * quantile), negatives - 1.0), "int32")
    threshold = ops.take(ops.sort(far, axis=1), ops.maximum(easy, 0), axis=1)
    return ops.less(far, ops.expand_dims(threshold, 1))


def hard_contrastive_loss(z1: Tensor, z2: Tensor, temperature: float = 0.1, quantile: float = 0.9) -> Tensor:
    r"""NT-Xent over the hard negatives: those whose cosine is at least the `quantile` of all of an anchor's negatives.

    `-mean_i log( e_ip(i) / (e_ip(i) + sum_{j: s_ij >= s_i(quantile)} e_ij) )` with `s_ij = z_i.z_j`,
    `e_ij = exp(s_ij / T)`, rows L2-normalized, over the 2N anchors; `p(i)` is the other view of `i`. The selection
    carries no gradient. `quantile=0` is NT-Xent. Chance value (all embeddings random): about
    `log(1 + (1 - quantile)(2N - 2))`.

    Args:
        z1: embeddings of the first view, `[N, D]`, N at least 2.
        z2: embeddings of the second view, `[N, D]`.
        temperature: T > 0. Defaults to `0.1`. The selection already concentrates on the near negatives, so larger
            temperatures work than in NT-Xent.
        quantile: part of the negatives that is left out, in [0, 1). Defaults to `0.9`.

    Returns:
        A scalar.

    Raises:
        ValueError: if the temperature is not positive or `quantile` not in [0, 1).

    Reference:
        Wang and Liu, "Understanding the Behavior of Contrastive Loss", CVPR 2021.
    """
    check_positive("temperature", temperature)
    check_quantile(quantile)
    pairs = view_similarities(z1, z2)
    excluded = pairs.oneself
    if quantile:
        excluded = keras.ops.logical_or(excluded, easy_negatives(pairs, quantile))
    return contrastive_cross_entropy(pairs.cosines / temperature, pairs.partner, excluded)


def check_quantile(quantile: float) -> float:
    """`quantile`, or an error where it is not in [0, 1)."""
    if not 0 <= quantile < 1:
        raise ValueError(f"`quantile` must lie in [0, 1). Received: quantile={quantile}")
    return quantile
