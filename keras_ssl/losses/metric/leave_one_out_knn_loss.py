"""Leave-one-out classification by nearest neighbors, as a loss."""

import keras

from keras_ssl.losses.metric.checks import check_finite_positive, check_labels, check_matrix
from keras_ssl.losses.numeric import check_integer, l2_normalize
from keras_ssl.losses.view_similarities import log_sum_exp
from keras_ssl.typing import Tensor

__all__ = ["leave_one_out_knn_loss"]

_LOWEST = -1e9


def leave_one_out_knn_loss(
    queries: Tensor,
    labels: Tensor,
    bank: Tensor,
    bank_labels: Tensor,
    neighbors: int = 256,
    temperature: float = 0.07,
    excluded: Tensor | None = None,
) -> Tensor:
    r"""The loss of LOOK: most of a sample's k nearest neighbors should have its label.

    With the cosines s of query i and the bank, and `K(i)` its k nearest entries:

    `L_i = -log( sum_{j in K(i), y_j = y_i} e^{s_ij / T} / sum_{j in K(i)} e^{s_ij / T} )`.

    The gradient flows through the chosen neighbors only. With k as large as the bank it is the soft nearest neighbor
    loss (NCA). If all neighbors have the query's label, the loss is 0, however far its other classmates are.

    If no neighbor has the query's label the formula is infinite: the nearest entry of its class then joins the k.
    (That is our choice; the paper does not say.) Queries whose class has no entry, and unlabeled ones, are left out.

    Args:
        queries: `[N, D]`; L2-normalized here.
        labels: of the queries, integers `[N]`; negative ones are unlabeled.
        bank: what is searched, `[M, D]`; L2-normalized here.
        bank_labels: integers `[M]`; entries with a negative label are no neighbors.
        neighbors: k, from 1 to M. Defaults to 256.
        temperature: T > 0. Defaults to 0.07.
        excluded: booleans `[N, M]`: entries that are the query itself. None (default): none.

    Returns:
        A scalar, the mean over the queries that count; 0 where none does.

    Raises:
        ValueError: if shapes do not fit, labels are not integers or a number is out of range.

    Example:

    >>> bank = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    >>> loss = leave_one_out_knn_loss(bank[:1], np.array([0]), bank, np.array([0, 0, 1]), neighbors=2)
    >>> abs(float(loss))
    0.0

    Reference:
        Feng et al., "Rethinking Supervised Pre-training for Better Downstream Transferring", ICLR 2022.
    """
    check_finite_positive("temperature", temperature)
    ops = keras.ops
    queries = l2_normalize(check_matrix("queries", queries))
    bank = l2_normalize(ops.cast(check_matrix("bank", bank), queries.dtype))
    labels = ops.cast(check_labels("labels", labels, queries.shape[0]), "int32")
    bank_labels = ops.cast(check_labels("bank_labels", bank_labels, bank.shape[0]), "int32")
    neighbors = check_integer("neighbors", neighbors, 1, bank.shape[0])
    allowed = ops.broadcast_to((bank_labels >= 0)[None, :], (ops.shape(queries)[0], ops.shape(bank)[0]))
    if excluded is not None:
        allowed = ops.logical_and(allowed, ops.logical_not(ops.cast(check_matrix("excluded", excluded), "bool")))
    same = ops.logical_and(ops.equal(labels[:, None], bank_labels[None, :]), allowed)
    logits = ops.matmul(queries, ops.transpose(bank)) / temperature
    lowest = ops.full_like(logits, _LOWEST)
    ranked = ops.stop_gradient(ops.where(allowed, logits, lowest))
    _, places = ops.top_k(ranked, neighbors)
    mates = ops.stop_gradient(ops.where(same, logits, lowest))
    nearest_mate = ops.argmax(mates, axis=1)[:, None]

    def chosen(values: Tensor) -> Tensor:
        places_too = ops.concatenate([places, ops.cast(nearest_mate, places.dtype)], axis=1)
        return ops.take_along_axis(values, places_too, axis=1)

    numbers = ops.cast(same, "float32"), ops.cast(allowed, "float32")
    own, counted = (chosen(each) > 0 for each in numbers)
    # The last column, the nearest of the own class, counts only where the others hold none of it.
    lonely = ops.logical_not(ops.any(own[:, :neighbors], axis=1, keepdims=True))
    last = ops.concatenate([ops.ones_like(own[:, :neighbors]), lonely], axis=1)
    own, counted = ops.logical_and(own, last), ops.logical_and(counted, last)
    near = chosen(logits)
    losses = log_sum_exp(near, ops.logical_not(counted)) - log_sum_exp(near, ops.logical_not(own))
    valid = ops.logical_and(ops.any(own, axis=1), labels >= 0)
    weights = ops.cast(valid, losses.dtype)
    losses = ops.where(valid, losses, ops.zeros_like(losses))
    return ops.sum(losses) / ops.maximum(ops.sum(weights), 1.0)
