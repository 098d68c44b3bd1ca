"""The regularizer of Mixed Barlow Twins."""

import keras

from keras_ssl.losses.barlow_twins_loss import standardize
from keras_ssl.losses.numeric import as_float, check_pair
from keras_ssl.typing import Tensor


def mixup_correlation_regularizer(
    mixed: Tensor, z1: Tensor, z2: Tensor, partner: Tensor, coefficient: Tensor, epsilon: float | None = 1e-5
) -> Tensor:
    r"""Mixed inputs should correlate with both views as the same mixture of embeddings does.

    For `z` in `{z1, z2}`: `sum_ij (C(m, z) - (a C(z1, z) + (1 - a) C(z2[partner], z)))_ij^2`, added up, with
    `C(u, v) = u^T v / N`, `m` the embeddings of the inputs `a x1 + (1 - a) x2[partner]`, and gradients into the target
    as well. An encoder that is linear in its inputs gives 0 where the embeddings are taken as they are
    (`epsilon=None`); standardized, as the objective has it, `m` is scaled up again and does not.

    Args:
        mixed: embeddings of the mixed inputs, `[N, D]`.
        z1: embeddings of the first view, `[N, D]`.
        z2: embeddings of the second view, `[N, D]`.
        partner: integers `[N]`, a permutation of the batch: the row of `z2` that was mixed into each.
        coefficient: a in [0, 1], a scalar.
        epsilon: added to each variance where the three embeddings are standardized, with the biased variance as in
            `cross_correlation` (the authors' code takes the unbiased one and no epsilon). Defaults to `1e-5`; None
            does not standardize.

    Returns:
        A scalar.

    Reference:
        Bandara et al., "Guarding Barlow Twins Against Overfitting with Mixed Samples", 2023.
    """
    ops = keras.ops
    embeddings = [as_float(z, mixed) for z in (mixed, z1, z2)]
    check_pair(embeddings[0], embeddings[1])
    check_pair(embeddings[1], embeddings[2])
    if epsilon is not None:
        embeddings = [standardize(z, epsilon) for z in embeddings]
    m, z1, z2 = embeddings
    a = ops.cast(coefficient, m.dtype)
    # Correlation is linear in its first argument, so the three products of the formula are one.
    residual = m - (a * z1 + (1.0 - a) * ops.take(z2, partner, axis=0))
    count = ops.cast(ops.shape(m)[0], m.dtype)
    gaps = [ops.matmul(ops.transpose(residual), z) / count for z in (z1, z2)]
    return ops.sum(ops.square(gaps[0])) + ops.sum(ops.square(gaps[1]))
