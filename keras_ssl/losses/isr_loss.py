"""ISR's contrastive loss on matched pairs, each weighted by how far it can be relied on."""

import keras

from keras_ssl.losses.info_nce_loss import info_nce_loss
from keras_ssl.losses.numeric import as_float, check_pair, check_positive, l2_normalize
from keras_ssl.typing import Tensor


def pair_reliability(z1: Tensor, z2: Tensor, temperature: float = 0.1) -> Tensor:
    r"""How surely row i of `z1` and row i of `z2` belong together, in [0, 1].

    `sqrt(p(i | i) p'(i | i))` with `p` the softmax of `cos(z1_i, z2_j) / T` over `j` and `p'` that over `i`: 1 where
    each prefers the other to all else, about 1/N where neither can tell. Without gradient.

    Args:
        z1: `[N, D]`.
        z2: `[N, D]`, matched.
        temperature: T > 0. Defaults to `0.1`.

    Returns:
        `[N]`.
    """
    ops = keras.ops
    check_positive("temperature", temperature)
    z1, z2 = (ops.stop_gradient(l2_normalize(z, z1)) for z in (z1, z2))
    logits = ops.matmul(z1, ops.transpose(z2)) / temperature
    there = ops.diagonal(ops.log_softmax(logits, axis=1))
    back = ops.diagonal(ops.log_softmax(logits, axis=0))
    return ops.exp(0.5 * (there + back))


def isr_loss(
    z1: Tensor,
    z2: Tensor,
    matching: Tensor,
    temperature: float = 0.1,
    reliability: Tensor | None = None,
) -> Tensor:
    r"""ISR: InfoNCE between the two frames' embeddings in both directions, on matched and weighted pairs.

    With `k_i = z2_m(i)`: `sum_i r_i (l(z1_i; k) + l(k_i; z1)) / (2 sum_i r_i)`, where `l(q_i; k)` is the cross-entropy
    of query i finding `k_i` among all `k`. With the matching `0 ... N - 1` and equal reliabilities this is the mean of
    the two `info_nce_loss`es. A pair of reliability 0 is nobody's positive, but stays a negative. Chance value:
    `log(N)`.

    Args:
        z1: embeddings of the first frame, `[N, D]`.
        z2: embeddings of the second, `[N, D]`.
        matching: integers `[N]`: which row of `z2` belongs to each row of `z1`.
        temperature: T > 0. Defaults to `0.1`.
        reliability: `[N]`, at least 0, for each row of `z1`; None (default) weighs all pairs alike.

    Returns:
        A scalar; 0 where no pair is reliable at all.

    Raises:
        ValueError: if the temperature is not positive or the embeddings are not two matrices of one shape.

    Reference:
        Dou et al., "Identity-Seeking Self-Supervised Representation Learning for Generalizable Person
        Re-identification", ICCV 2023.
    """
    z1, z2 = as_float(z1), as_float(z2, z1)
    check_pair(z1, z2)
    keys = keras.ops.take(l2_normalize(z2), matching, axis=0)
    weights = None if reliability is None else keras.ops.stop_gradient(keras.ops.cast(reliability, z1.dtype))
    there = info_nce_loss(z1, keys, temperature, weights=weights)
    back = info_nce_loss(keys, z1, temperature, weights=weights)
    return 0.5 * (there + back)
