"""Contrast of pairs of classes, each in a subspace of its own."""

import keras

from keras_ssl.losses.metric.checks import check_finite_positive, check_labels, check_matrix
from keras_ssl.losses.numeric import l2_normalize
from keras_ssl.losses.view_similarities import log_sum_exp
from keras_ssl.typing import Tensor

__all__ = ["gated_pair_loss"]


def gated_pair_loss(z: Tensor, labels: Tensor, pairs: Tensor, gates: Tensor, temperature: float = 0.1) -> Tensor:
    r"""For each pair of classes (a, b): samples of a and b are positives of each other in a gated subspace.

    With `u = normalize(g_ab * z)` and `s = u_i.u_j / T`, the members of the pair are the samples of class a or b, and
    all other samples are negatives N. Each positive competes with the negatives alone:

    `L_ab = -mean_i mean_{j != i} log( e^{s_ij} / (e^{s_ij} + sum_{n in N} e^{s_in}) )`, i and j members,

    and the loss is the mean over the pairs that have two members in the batch. A dimension whose gate is 0 gets no
    gradient. With gates of 1 and pairs (a, a) it is supervised contrast in the decoupled form (not `sup_con_loss`,
    whose denominator holds the other positives too).

    Args:
        z: embeddings `[M, D]`, usually all views of all samples.
        labels: integers `[M]`. Negative labels are unlabeled: such rows are left out, as negatives too.
        pairs: classes (a, b), integers `[P, 2]`; a may be b.
        gates: of the pairs, `[P, D]`, in [0, 1].
        temperature: T > 0. Defaults to 0.1.

    Returns:
        A scalar; 0 where no pair has two members.

    Raises:
        ValueError: if shapes do not fit, labels are not integers, or the temperature is not positive.

    Example:

    >>> z = np.eye(3, dtype="float32")[[0, 0, 1, 2]]
    >>> loss = gated_pair_loss(z, np.array([0, 0, 1, 2]), np.array([[0, 0]]), np.ones((1, 3)), temperature=1.0)
    >>> round(float(loss), 4)  # log(1 + 2 / e)
    0.5514

    Reference:
        Wu et al., "Rethinking Positive Pairs in Contrastive Learning", 2024.
    """
    check_finite_positive("temperature", temperature)
    ops = keras.ops
    z, pairs = check_matrix("z", z), check_matrix("pairs", pairs)
    labels = ops.cast(check_labels("labels", labels, z.shape[0]), "int32")
    gates = check_matrix("gates", gates)
    fits = pairs.shape[1] == 2 and gates.shape[1] == z.shape[1] and gates.shape[0] in (None, pairs.shape[0])
    if not fits:
        raise ValueError(
            "`pairs` must be [P, 2] and `gates` [P, D], D the width of `z`. Received: "
            f"pairs.shape={tuple(pairs.shape)}, gates.shape={tuple(gates.shape)}, z.shape={tuple(z.shape)}"
        )
    pairs = ops.cast(pairs, "int32")
    u = l2_normalize(ops.cast(gates, z.dtype)[:, None, :] * z[None, :, :])
    logits = ops.matmul(u, ops.transpose(u, (0, 2, 1))) / temperature
    known = labels >= 0
    member = ops.any(ops.equal(labels[None, :, None], pairs[:, None, :]), axis=2)
    member = ops.logical_and(member, known[None, :])
    negative = ops.logical_and(ops.logical_not(member), known[None, :])
    rows = ops.arange(ops.shape(z)[0], dtype="int32")
    others = ops.not_equal(rows[:, None], rows[None, :])
    positive = ops.logical_and(ops.logical_and(member[:, :, None], member[:, None, :]), others[None])
    size = ops.shape(z)[0]
    flat = ops.reshape(logits, (-1, size))
    rivals = log_sum_exp(
        flat, ops.reshape(ops.broadcast_to(ops.logical_not(negative)[:, None, :], ops.shape(logits)), (-1, size))
    )
    terms = ops.softplus(ops.reshape(rivals, (-1, size))[:, :, None] - logits)
    weights = ops.cast(positive, terms.dtype)
    count = ops.sum(weights, axis=(1, 2))
    # Every member of a pair has as many positives, so the mean of means is the mean.
    losses = ops.sum(weights * terms, axis=(1, 2)) / ops.maximum(count, 1.0)
    present = ops.cast(count > 0, losses.dtype)
    return ops.sum(losses) / ops.maximum(ops.sum(present), 1.0)
