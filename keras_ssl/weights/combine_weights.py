"""One set of weights from several of one structure."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from keras_ssl.check_numbers import check_numbers
from keras_ssl.checkpoints.weight_problems import weight_problems
from keras_ssl.weights.arrays import is_float, weight_arrays

__all__ = ["combine_weights"]

Weights = Mapping[str, np.ndarray]
"""Arrays by the names of `named_weights`."""


def combine_weights(
    sets: Sequence[Weights],
    rule: Sequence[float] | Callable[[str, Sequence[np.ndarray]], np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """Combines the weights of several models of one structure, weight by weight.

    Weights that are no floats (counters) are those of the first set.

    Args:
        sets: weights by name, such as `read_weights` returns; the names and shapes of all are the same.
        rule: coefficients, one for each set, of a weighted sum, which is computed in float64; or a function of a name
            and the arrays of that name that returns one array of their shape. Defaults to None: the mean.

    Returns:
        Arrays by name, of the types of the first set.

    Raises:
        ValueError: if there is no set, names or shapes differ, the number of coefficients is not that of the sets, a
            coefficient is not finite, or a result has another shape.

    Example:

    >>> a, b = {"kernel": np.array([1.0, 2.0])}, {"kernel": np.array([3.0, 6.0])}
    >>> combine_weights([a, b])["kernel"].tolist(), combine_weights([a, b], [2.0, -1.0])["kernel"].tolist()
    ([2.0, 4.0], [-1.0, -2.0])
    >>> combine_weights([a, b], lambda name, arrays: np.maximum(*arrays))["kernel"].tolist()
    [3.0, 6.0]
    """
    sets = check_alike("sets", sets)
    if rule is None:
        rule = [1.0 / len(sets)] * len(sets)
    if callable(rule):
        return {name: _made(rule, name, [weights[name] for weights in sets]) for name in sets[0]}
    coefficients = check_numbers("rule", rule).astype("float64")
    if coefficients.shape != (len(sets),) or not np.isfinite(coefficients).all():
        raise ValueError(f"`rule` must hold a finite number for each of {len(sets)} sets. Received: rule={rule!r}")
    return {
        name: sum((c * weights[name].astype("float64") for c, weights in zip(coefficients, sets, strict=True))).astype(
            array.dtype
        )
        if is_float(array)
        else array.copy()
        for name, array in sets[0].items()
    }


def check_alike(argument: str, sets: Sequence[Weights]) -> list[dict[str, np.ndarray]]:
    """The sets of weights as arrays; raises where one has other names or shapes than the first, or there is none."""
    if isinstance(sets, Mapping | str) or not isinstance(sets, Iterable) or not (given := list(sets)):
        raise ValueError(f"`{argument}` must be a list of sets of weights. Received: {argument}={type(sets).__name__}")
    arrays = [weight_arrays(f"{argument}[{place}]", weights) for place, weights in enumerate(given)]
    first = arrays[0]
    for place, weights in enumerate(arrays[1:], 1):
        problems = weight_problems(
            {
                "missing": sorted(first.keys() - weights.keys()),
                "too many": sorted(weights.keys() - first.keys()),
                "of another shape": [
                    f"{name} {weights[name].shape} instead of {first[name].shape}"
                    for name in sorted(first.keys() & weights.keys())
                    if weights[name].shape != first[name].shape
                ],
            }
        )
        if problems:
            raise ValueError(
                f"`{argument}` must hold weights of one structure. Received: {argument}[{place}] beside "
                f"{argument}[0]; {problems}"
            )
    return arrays


def _made(
    rule: Callable[[str, Sequence[np.ndarray]], np.ndarray], name: str, arrays: Sequence[np.ndarray]
) -> np.ndarray:
    if not is_float(arrays[0]):
        return arrays[0].copy()
    made = check_numbers("rule", rule(name, arrays))
    if made.shape != arrays[0].shape:
        raise ValueError(f"`rule` must keep shapes. Received: {name} {made.shape} instead of {arrays[0].shape}")
    return made.astype(arrays[0].dtype)
