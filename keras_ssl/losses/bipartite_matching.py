"""Maximum-weight bipartite matching, inside the compiled step."""

from typing import Any

import keras

from keras_ssl.losses.numeric import as_float
from keras_ssl.typing import Tensor

_FAR = 1e30


def bipartite_matching(weights: Tensor) -> Tensor:
    r"""The permutation `m` that maximizes `sum_i weights[i, m(i)]`: the exact solution of the assignment problem.

    Shortest augmenting paths with dual prices (Kuhn's Hungarian method in the form of Jonker and Volgenant): rows
    whose best column nobody else wants are assigned at once, and every other row costs one search of at most N steps,
    each of which works on whole rows. That is O(N^3) at worst and near O(N^2) where most pairs are clear. It runs
    eager and compiled, for batches of a length that is not known while a step is traced. There is no gradient.

    Args:
        weights: `[N, N]`. Entries that are not finite count as the worst.

    Returns:
        int32 `[N]`: the column of each row.

    Raises:
        ValueError: if `weights` is not a square matrix.

    Example:

    >>> columns = bipartite_matching([[0.9, 0.8], [0.8, 0.1]])  # the best pair alone, 0.9, would leave 0.1
    >>> keras.ops.convert_to_numpy(columns).tolist()
    [1, 0]

    Reference:
        Kuhn, "The Hungarian method for the assignment problem", 1955; Jonker & Volgenant, "A shortest augmenting path
        algorithm for dense and sparse linear assignment problems", 1987.
    """
    ops = keras.ops
    weights = ops.stop_gradient(as_float(weights))
    if len(weights.shape) != 2 or (None not in weights.shape and weights.shape[0] != weights.shape[1]):
        raise ValueError(f"`weights` must be a square matrix. Received: weights of shape {tuple(weights.shape)}")
    worst = ops.min(ops.where(ops.isfinite(weights), weights, _FAR))
    cost = -ops.where(ops.isfinite(weights), weights, worst)
    number = ops.arange(ops.shape(cost)[0], dtype="int32")
    nobody = ops.zeros_like(number) - 1

    # Feasible prices, and the pairs that they make free of cost: of the rows that want a column, the first gets it.
    column_price = ops.min(cost, axis=0)
    reduced = cost - column_price
    row_price = ops.min(reduced, axis=1)
    wish = ops.cast(ops.argmin(reduced, axis=1), "int32")
    wishes = ops.equal(ops.expand_dims(wish, 1), number)
    first = ops.cast(ops.argmax(ops.cast(wishes, "int32"), axis=0), "int32")
    owner = ops.where(ops.any(wishes, axis=0), first, nobody)
    column = ops.where(ops.equal(ops.take(owner, wish), number), wish, nobody)

    def unfinished(column: Tensor, *_: Tensor) -> Tensor:
        return ops.any(column < 0)

    def augment(column: Tensor, owner: Tensor, row_price: Tensor, column_price: Tensor) -> tuple[Tensor, ...]:
        start = ops.cast(ops.argmax(ops.cast(column < 0, "int32")), "int32")

        def searching(row: Tensor, sink: Tensor, *_: Tensor) -> Tensor:
            return sink < 0

        def search(
            row: Tensor, sink: Tensor, length: Tensor, distance: Tensor, via: Tensor, seen: Any, closed: Any
        ) -> tuple[Tensor, ...]:
            seen = ops.logical_or(seen, ops.equal(number, row))
            there = length + ops.take(cost, row, axis=0) - ops.take(row_price, row) - column_price
            nearer = ops.logical_and(ops.logical_not(closed), there < distance)
            distance = ops.where(nearer, there, distance)
            via = ops.where(nearer, row, via)
            open_distance = ops.where(closed, _FAR, distance)
            best = ops.cast(ops.argmin(open_distance), "int32")
            length = ops.take(open_distance, best)
            closed = ops.logical_or(closed, ops.equal(number, best))
            holder = ops.take(owner, best)
            return (
                ops.where(holder < 0, row, holder),
                ops.where(holder < 0, best, -1),
                length,
                distance,
                via,
                seen,
                closed,
            )

        nothing = number < 0
        _, sink, length, distance, via, seen, closed = ops.while_loop(
            searching,
            search,
            (start, start * 0 - 1, row_price[0] * 0.0, ops.zeros_like(row_price) + _FAR, nobody, nothing, nothing),
        )
        own = ops.take(distance, ops.maximum(column, 0))
        gain = ops.where(ops.equal(number, start), length, length - own)
        row_price = row_price + ops.where(seen, gain, 0.0)
        column_price = column_price - ops.where(closed, length - distance, 0.0)

        def backwards(place: Tensor, *_: Tensor) -> Tensor:
            return place >= 0

        def hand_over(place: Tensor, column: Tensor, owner: Tensor) -> tuple[Tensor, ...]:
            row = ops.take(via, place)
            owner = ops.where(ops.equal(number, place), row, owner)
            before = ops.take(column, row)  # -1 at the path's start, which ends it
            return before, ops.where(ops.equal(number, row), place, column), owner

        _, column, owner = ops.while_loop(backwards, hand_over, (sink, column, owner))
        return column, owner, row_price, column_price

    return ops.while_loop(unfinished, augment, (column, owner, row_price, column_price))[0]
