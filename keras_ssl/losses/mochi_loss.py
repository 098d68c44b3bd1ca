"""MoCHi's hard negatives, mixed from the hardest ones of a bank."""

import keras

from keras_ssl.losses.numeric import l2_normalize
from keras_ssl.typing import Tensor


def hard_negative_mixes(queries: Tensor, bank: Tensor, draws: Tensor, hardest: int, mixes: int) -> Tensor:
    r"""MoCHi: negatives for each query, mixed from the `hardest` rows of the bank that are nearest to it.

    First `mixes` of two hard negatives, `h = a n_i + (1 - a) n_j` with `a` in [0, 1); then mixes of the query with
    one, `h = b q + (1 - b) n_j` with `b` in [0, 0.5), so that the negative weighs more than the query. All are scaled
    to unit length, and none carries a gradient.

    Args:
        queries: `[N, D]`.
        bank: negatives, `[K, D]` with K at least `hardest`.
        draws: uniform random numbers in [0, 1), `[N, 3 mixes + 2 query_mixes]`: `a`, `i` and `j` of the mixes of
            negatives, then `b` and `j` of the mixes with the query, in this order.
        hardest: how many of the bank's rows count as hard for a query.
        mixes: number of mixes of two negatives; what is left of the draws makes mixes with the query.

    Returns:
        `[N, mixes + query_mixes, D]`.

    Raises:
        ValueError: if `draws` does not fit `mixes`, or the bank is smaller than `hardest`.

    Reference:
        Kalantidis et al., "Hard Negative Mixing for Contrastive Learning", NeurIPS 2020.
    """
    ops = keras.ops
    queries, bank = (ops.stop_gradient(l2_normalize(x, queries)) for x in (queries, bank))
    draws = ops.cast(draws, queries.dtype)
    query_mixes, odd = divmod(draws.shape[1] - 3 * mixes, 2)
    if odd or query_mixes < 0 or mixes < 0:
        raise ValueError(
            "`draws` must hold three numbers for each mix and two for each mix with the query. "
            f"Received: draws of shape {tuple(draws.shape)}, mixes={mixes}"
        )
    if not 1 <= hardest <= bank.shape[0]:
        raise ValueError(f"`hardest` must lie in [1, {bank.shape[0]}], the bank's size. Received: hardest={hardest}")
    _, order = ops.top_k(ops.matmul(queries, ops.transpose(bank)), hardest)
    order = ops.cast(order, "int32")

    def hard(uniform: Tensor) -> Tensor:
        picks = ops.cast(uniform * hardest, "int32")
        return ops.take(bank, ops.take_along_axis(order, picks, axis=1), axis=0)

    a, i, j = (draws[:, k * mixes : (k + 1) * mixes] for k in range(3))
    rest = draws[:, 3 * mixes :]
    b, k = rest[:, :query_mixes], rest[:, query_mixes:]
    a, b = ops.expand_dims(a, 2), 0.5 * ops.expand_dims(b, 2)
    pairs = a * hard(i) + (1.0 - a) * hard(j)
    nearer = b * ops.expand_dims(queries, 1) + (1.0 - b) * hard(k)
    return ops.stop_gradient(l2_normalize(ops.concatenate([pairs, nearer], axis=1)))
