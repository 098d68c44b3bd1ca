"""Supervised contrast for regression, with mixed positives and negatives."""

import keras

from keras_ssl.losses.metric.checks import check_finite_positive, check_labels
from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.view_similarities import equal_pairs, view_similarities
from keras_ssl.typing import Tensor

__all__ = ["anchor_exclusive_shares", "sup_re_mix_loss"]


def anchor_exclusive_shares(labels: Tensor, window: float | None = None) -> tuple[Tensor, Tensor]:
    """Which two samples mix to the label of a third, and in what shares.

    For anchor i and samples j, k with `y_j < y_i < y_k`, the share of j is `(y_k - y_i) / (y_k - y_j)`; k has the rest.
    Then `share * y_j + (1 - share) * y_k = y_i`.

    Args:
        labels: numbers `[N]`.
        window: the largest distance of `y_j` and `y_k` from `y_i`, exclusive, in units of the label. None (default):
            no limit.

    Returns:
        The share of j, `[N, N, N]` by i, j, k, and booleans of the same shape: which triples there are.

    Raises:
        ValueError: if `labels` has not one axis or `window` is not positive.

    Example:

    >>> share, there = anchor_exclusive_shares(np.array([1.0, 0.0, 4.0]))
    >>> float(share[0, 1, 2]), int(keras.ops.sum(keras.ops.cast(there, "int32")))
    (0.75, 1)
    """
    if window is not None:
        check_finite_positive("window", window)
    ops = keras.ops
    y = as_float(check_labels("labels", labels, None, integers=False))
    # By i, j: how far j lies below i. The same matrix, turned, is how far k lies above i.
    below = y[:, None] - y[None, :]
    near = below > 0
    above = -below
    beyond = above > 0
    if window is not None:
        near, beyond = ops.logical_and(near, below < window), ops.logical_and(beyond, above < window)
    there = ops.logical_and(near[:, :, None], beyond[:, None, :])
    span = below[:, :, None] + above[:, None, :]
    share = ops.broadcast_to(above[:, None, :], ops.shape(span)) / ops.where(there, span, ops.ones_like(span))
    return ops.where(there, share, ops.zeros_like(share)), there


def sup_re_mix_loss(
    z1: Tensor,
    z2: Tensor,
    labels: Tensor,
    shares: Tensor | None = None,
    temperature: float = 0.1,
    positive_mixes: bool = True,
    window: float | None = None,
    weighted: bool = True,
) -> Tensor:
    r"""SupReMix: supervised contrast of samples with numbers as labels, and of mixtures of their embeddings.

    With `z = concat(z1, z2)`, rows L2-normalized, the candidates of anchor i are the other rows and

    - hard negatives: anchor i mixed with each row k of another label, `c_i z_i + (1 - c_i) z_k`;
    - hard positives: each pair of rows j, k with `y_j < y_i < y_k`, mixed so that their label is the anchor's:
      see `anchor_exclusive_shares`.

    Mixtures are normalized to unit length. Positives P are the rows of the anchor's label (its own other view among
    them) and the hard positives. With the cosines s of the anchor and the label distances d, the loss is

    `-mean_i mean_{p in P} ( s_p / T - log sum_{all candidates q} w_q exp(s_q / T) )`, `w_q = 1 + d_q / mean d`,

    where the mean of d is over all pairs of different samples of the batch: negatives of far labels are pushed more.
    A mixture's label is the mixture of labels. The loss is the same for labels `a y + b`. The authors' code has
    `w = 1 + d`, in units of the label; dividing by the mean is our choice. Without mixtures and weights it is
    `sup_con_loss` with equal numbers as classes.

    Positive mixtures are triples: time and memory grow as `(2N)^3`, so batches should have at most about 64 samples.

    Args:
        z1: embeddings of the first view, `[N, D]`.
        z2: embeddings of the second view, `[N, D]`.
        labels: numbers `[N]`.
        shares: c, the share of the anchor in its hard negatives, `[2N]` in [0, 1] (the authors draw it from
            Beta(2, 8)). None (default): no hard negatives.
        temperature: T > 0. Defaults to 0.1.
        positive_mixes: whether there are hard positives. Defaults to True.
        window: as for `anchor_exclusive_shares`. Defaults to None: no limit.
        weighted: whether candidates have weights w; if not they are 1. Defaults to True.

    Returns:
        A scalar.

    Raises:
        ValueError: if shapes do not fit or a number is out of range.

    Example:

    >>> z = np.eye(3, dtype="float32")
    >>> loss = sup_re_mix_loss(z, z, np.array([1.0, 2.0, 3.0]), positive_mixes=False, weighted=False, temperature=1.0)
    >>> round(float(loss), 4)
    0.9048

    Reference:
        Wu et al., "Mixup Your Own Pairs", 2023.
    """
    check_finite_positive("temperature", temperature)
    if window is not None:
        check_finite_positive("window", window)
    ops = keras.ops
    pairs = view_similarities(z1, z2)
    s = pairs.cosines
    y = ops.cast(as_float(check_labels("labels", labels, z1.shape[0], integers=False)), s.dtype)
    y = ops.concatenate([y, y], axis=0)
    distances = ops.abs(y[:, None] - y[None, :])
    different = ops.cast(ops.logical_not(pairs.same_sample), s.dtype)
    scale = ops.sum(different * distances) / ops.maximum(ops.sum(different), 1.0)
    scale = ops.where(scale > 0, scale, ops.ones_like(scale))

    def weights(d: Tensor) -> Tensor:
        return 1.0 + d / scale if weighted else ops.ones_like(d)

    others = ops.logical_not(pairs.oneself)
    same = equal_pairs(y)
    candidates = [(s, others, weights(distances))]
    positives = [(s, ops.logical_and(same, others))]
    if shares is not None:
        c = ops.cast(check_labels("shares", shares, None, integers=False), s.dtype)[:, None]
        mixed = (c + (1.0 - c) * s) * _inverse_length(c, s)
        candidates.append((mixed, ops.logical_not(same), weights((1.0 - c) * distances)))
    if positive_mixes:
        share, there = anchor_exclusive_shares(y, window)
        inner = share * s[:, :, None] + (1.0 - share) * s[:, None, :]
        mixed = _flat(inner * _inverse_length(share, s[None, :, :]))
        there = _flat(there)
        candidates.append((mixed, there, ops.ones_like(mixed)))
        positives.append((mixed, there))
    terms = [
        ops.where(counted, cosines / temperature + ops.log(w), ops.full_like(cosines, -1e9))
        for cosines, counted, w in candidates
    ]
    everything = ops.logsumexp(ops.concatenate(terms, axis=1), axis=1)
    attraction = sum(ops.sum(ops.where(mask, cosines, ops.zeros_like(cosines)), axis=1) for cosines, mask in positives)
    count = sum(ops.sum(ops.cast(mask, s.dtype), axis=1) for _, mask in positives)
    return ops.mean(everything - attraction / (temperature * count))


def _inverse_length(share: Tensor, cosines: Tensor) -> Tensor:
    """One over the length of `share * a + (1 - share) * b`, of two unit vectors with the given cosine."""
    square = keras.ops.square(share) + keras.ops.square(1.0 - share) + 2.0 * share * (1.0 - share) * cosines
    return keras.ops.rsqrt(keras.ops.maximum(square, 1e-12))


def _flat(triples: Tensor) -> Tensor:
    """`[N, N, N]` as `[N, N * N]`."""
    return keras.ops.reshape(triples, (keras.ops.shape(triples)[0], -1))
