"""Sinkhorn-Knopp: soft assignments that share the samples out evenly among the prototypes."""

import keras

from keras_ssl.losses.numeric import as_float, check_integer, check_positive
from keras_ssl.typing import Tensor


def sinkhorn(scores: Tensor, epsilon: float = 0.05, iterations: int = 3, present: Tensor | None = None) -> Tensor:
    r"""Codes: the assignment that suits the scores best while every prototype gets the same share.

    Alternately, from `exp(scores / epsilon)`, columns are scaled to one common sum and rows to the sum 1, `iterations`
    times; rows come last, so each row is exactly a distribution. After many iterations each column sums to `N / K`.
    Computed by logarithms, in float32: scores of any size neither overflow nor vanish. Without gradient.

    Args:
        scores: similarities of N samples to K prototypes, `[N, K]`, of the whole global batch.
        epsilon: smoothness; smaller is sharper. Defaults to `0.05`.
        iterations: number of iterations, at least 1. Defaults to 3.
        present: booleans `[N]`: rows that take part; the others get codes of zero and do not change the rest. None
            (default) is all.

    Returns:
        `[N, K]`.

    Raises:
        ValueError: if epsilon is not positive or `iterations` less than 1.

    Reference:
        Cuturi, "Sinkhorn Distances: Lightspeed Computation of Optimal Transport", NeurIPS 2013; Caron et al.,
        "Unsupervised Learning of Visual Features by Contrasting Cluster Assignments", NeurIPS 2020.
    """
    ops = keras.ops
    check_positive("epsilon", epsilon)
    iterations = check_integer("iterations", iterations, 1)
    logs = ops.stop_gradient(as_float(scores)) / epsilon

    def mask(logs: Tensor) -> Tensor:
        return logs if present is None else ops.where(present[:, None], logs, ops.cast(-1e9, logs.dtype))

    logs = mask(logs)
    for _ in range(iterations):
        logs = logs - ops.logsumexp(logs, axis=0, keepdims=True)
        logs = mask(logs - ops.logsumexp(logs, axis=1, keepdims=True))
    return ops.exp(logs)
