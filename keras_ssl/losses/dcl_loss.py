"""The decoupled contrastive loss: NT-Xent without the positive among the candidates."""

import keras

from keras_ssl.losses.numeric import as_float, check_pair, check_positive, l2_normalize
from keras_ssl.losses.view_similarities import log_sum_exp, view_similarities
from keras_ssl.typing import Tensor


def von_mises_fisher_weights(z1: Tensor, z2: Tensor, sigma: float = 0.5) -> Tensor:
    """DCLW's weight of each positive pair: the nearer its two views are already, the less it counts.

    `w_i = 2 - exp(z1_i.z2_i / sigma) / mean_j exp(z1_j.z2_j / sigma)`, rows L2-normalized; the weights' mean is 1. A
    pair much nearer than all others gets a negative weight, at the least `2 - N`. They carry no gradient.

    Args:
        z1: embeddings of the first view, `[N, D]`.
        z2: embeddings of the second view, `[N, D]`.
        sigma: width > 0; the larger, the more equal the weights. Defaults to `0.5`, the paper's.

    Returns:
        A tensor `[N]`.

    Raises:
        ValueError: if sigma is not positive.
    """
    check_positive("sigma", sigma)
    z1, z2 = as_float(z1), as_float(z2, z1)
    check_pair(z1, z2)
    cosines = keras.ops.sum(l2_normalize(z1) * l2_normalize(z2), axis=1)
    count = keras.ops.cast(keras.ops.shape(z1)[0], z1.dtype)
    return keras.ops.stop_gradient(2.0 - count * keras.ops.softmax(cosines / sigma, axis=0))


def dcl_terms(z1: Tensor, z2: Tensor, temperature: float = 0.1, weights: Tensor | None = None) -> Tensor:
    """The decoupled contrastive loss of each of the 2N anchors, `[2N]`: see `dcl_loss`."""
    check_positive("temperature", temperature)
    pairs = view_similarities(z1, z2)
    attraction = pairs.positives / temperature
    if weights is not None:
        attraction = keras.ops.concatenate([weights, weights], axis=0) * attraction
    return log_sum_exp(pairs.cosines / temperature, excluded=pairs.same_sample) - attraction


def dcl_loss(z1: Tensor, z2: Tensor, temperature: float = 0.1, weights: Tensor | None = None) -> Tensor:
    r"""DCL: nearer to the other view of one's own image, further from all views of other images, each by itself.

    `mean_i( -w_i z_i.z_p(i) / T + log sum_{j != i, p(i)} exp(z_i.z_j / T) )` over the 2N embeddings, rows
    L2-normalized, `p(i)` the other view of `i`. InfoNCE has the positive in the sum as well; without it, a pair that
    is already near does not weaken the push of its negatives. Anchor by anchor, `NT-Xent_i = softplus(DCL_i)` (with
    weights 1). The loss is not bounded from below by 0; the chance value is `log(2N - 2)`.

    The mean runs over both views' anchors, as in NT-Xent; code that adds the two directions has twice this value.

    Args:
        z1: embeddings of the first view, `[N, D]`, N at least 2: one sample has no negatives.
        z2: embeddings of the second view, `[N, D]`.
        temperature: T > 0. Defaults to `0.1`, the paper's.
        weights: `[N]`, of each positive pair, for both of its anchors: `von_mises_fisher_weights` makes DCLW of DCL.
            None (default) is 1.

    Returns:
        A scalar.

    Raises:
        ValueError: if the temperature is not positive.

    Reference:
        Yeh et al., "Decoupled Contrastive Learning", ECCV 2022.
    """
    return keras.ops.mean(dcl_terms(z1, z2, temperature, weights))
