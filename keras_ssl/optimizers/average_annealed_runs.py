"""One model from several runs that began at one checkpoint."""

from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["average_annealed_runs"]


def average_annealed_runs(runs: Sequence[Sequence[Any]]) -> list[np.ndarray]:
    """The mean of the weights of several runs, for `model.set_weights`.

    The runs anneal from one checkpoint over data in different orders. Their weights lie in one basin, so that the mean
    is better than each of them. Runs from different initial weights must not be averaged.

        mean_j = (w_1j + ... + w_Rj) / R

    It is computed in float64 and returned in the type of the first run. Weights of integers (counters, seeds) are those
    of the first run.

    Args:
        runs: of each run the list of its arrays, `model.get_weights()`; at least one run.

    Returns:
        A list of arrays.

    Raises:
        ValueError: if there is no run, the shapes differ, or a weight is NaN or infinite.

    Example:

    >>> [weight.tolist() for weight in average_annealed_runs([[np.array([1.0, 2.0])], [np.array([3.0, 6.0])]])]
    [[2.0, 4.0]]

    Reference: OLMo team, "2 OLMo 2 furious", COLM 2025, https://arxiv.org/abs/2501.00656.
    """
    arrays = [[np.asarray(weight) for weight in run] for run in runs]
    if not arrays:
        raise ValueError("`runs` must hold a run or more. Received: runs=[]")
    shapes = [[weight.shape for weight in run] for run in arrays]
    if any(shape != shapes[0] for shape in shapes):
        raise ValueError(f"`runs` must have weights of the same shapes. Received: runs={shapes}")
    averaged = []
    for place, weights in enumerate(zip(*arrays, strict=True)):
        first = weights[0]
        if first.dtype.kind in "iub":
            averaged.append(first.copy())
            continue
        mean = np.mean([weight.astype("float64") for weight in weights], axis=0)
        if not np.isfinite(mean).all():
            raise ValueError(f"`runs` must hold finite weights. Received: runs=NaN or infinity in weight {place}")
        averaged.append(mean.astype(first.dtype))
    return averaged
