"""A differentiable sorting network."""

import math

import keras

from keras_ssl.losses.numeric import as_float, check_positive
from keras_ssl.typing import Tensor


def soft_sort(values: Tensor, steepness: float = 1.0) -> tuple[Tensor, Tensor]:
    r"""Sorts rows in ascending order by a network of soft comparators, and tells how likely each value takes a rank.

    An odd-even network of M layers. A comparator of a lower place a and an upper place b leaves them as they are with
    the probability `alpha = 1/2 + arctan(steepness * (b - a)) / pi` (the Cauchy relaxation) and exchanges them
    otherwise: `a' = alpha a + (1 - alpha) b`, `b' = alpha b + (1 - alpha) a`. As the steepness grows, it sorts.

    Args:
        values: `[N, M]`.
        steepness: beta > 0. Defaults to 1.

    Returns:
        The softly sorted values, `[N, M]`, and the doubly stochastic `[N, M, M]` whose entry `[n, r, i]` is the
        probability that the value i of row n takes the rank r, from the smallest.

    Raises:
        ValueError: if the steepness is not positive.

    Reference:
        Petersen et al., "Differentiable Sorting Networks for Scalable Sorting and Ranking Supervision", ICML 2021;
        "Monotonic Differentiable Sorting Networks", ICLR 2022 (the Cauchy relaxation).
    """
    ops = keras.ops
    check_positive("steepness", steepness)
    values = as_float(values)
    count = values.shape[1]
    # One column of values beside the probabilities: what happens to them at a comparator is the same.
    start = ops.broadcast_to(ops.eye(count, dtype=values.dtype), (ops.shape(values)[0], count, count))
    state = ops.concatenate([values[:, :, None], start], axis=2)
    for layer in range(count):
        first = layer % 2
        last = first + (count - first) // 2 * 2
        if last == first:  # two values meet in every other layer, one never
            continue
        lower, upper = state[:, first:last:2], state[:, first + 1 : last : 2]
        difference = upper[:, :, :1] - lower[:, :, :1]
        keep = 0.5 + ops.arctan(steepness * difference) / math.pi
        pairs = ops.stack([keep * lower + (1.0 - keep) * upper, keep * upper + (1.0 - keep) * lower], axis=2)
        mixed = ops.reshape(pairs, (-1, last - first, count + 1))
        state = ops.concatenate([state[:, :first], mixed, state[:, last:]], axis=1)
    return state[:, :, 0], state[:, :, 1:]
