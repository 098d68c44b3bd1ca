"""The hidden units of one network in the order of another's, found from weights alone."""

from collections.abc import Iterable, Mapping

import keras
import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.merging.unit_groups import UnitAxis, UnitGroup, unit_structure
from keras_ssl.weights.arrays import weight_arrays
from keras_ssl.weights.assign_weights import misfits
from keras_ssl.weights.named_weights import named_weights

__all__ = ["permute_weights", "weight_matching"]

Weights = Mapping[str, np.ndarray]
"""Arrays by the names of `named_weights`."""


def weight_matching(
    model: keras.Model, weights_a: Weights, weights_b: Weights, seed: int = 0, max_sweeps: int = 100
) -> dict[str, np.ndarray]:
    r"""Permutes the hidden units of network B so that its weights come close to those of network A.

    A network computes the same function in whatever order its hidden units stand. Of all orders, those are wanted that
    maximize the inner product of the weights, which minimizes their distance:

    .. math:: \max_P \sum_w \langle A_w, (P B)_w \rangle

    Units that are added up, as along the shortcuts of a residual network, share one permutation: they are a group. For
    one group at a time, the others held, the best permutation is a linear assignment of the sum of

    .. math:: A_w B_w^T

    over the weights that the group touches: kernels that make its units and kernels that read them, biases, scales. A
    sweep visits all groups in a random order; sweeps go on until one changes nothing. A permutation is replaced
    only where the inner product rises, so that the distance never grows. Sweeps begin twice, from B as it is and
    from permutations that are found group by group from the inputs on, which are exact for a permuted copy of A;
    the better end is returned. The maximum is local: another seed may find a better one. Means and variances that
    batch normalization keeps do not count, but are permuted.

    Args:
        model: a built Functional or Sequential model of the structure of both, of Dense, Conv1D to Conv3D,
            normalizations, PReLU and LayerScale as layers with weights, such as `keras_ssl.encoders.ConvNet` and
            `ResNet`. Its own weights play no part. Its inputs and outputs keep their order, and so do units of which
            another layer may tell one from the other (`Reshape`, `Concatenate`, a softmax between layers).
        weights_a: of network A, such as `read_weights` returns.
        weights_b: of network B.
        seed: of the order of the groups. Defaults to 0.
        max_sweeps: most sweeps. Defaults to 100.

    Returns:
        Permutations by group, for `permute_weights`: unit `j` of A matches unit `permutation[j]` of B. A group is named
        by the first layer that makes its units.

    Raises:
        ValueError: if a layer of the model has weights of whose units nothing is known, as in a vision transformer;
            weights are not those of the model; or a number is out of range.

    Example:

    >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, "relu"), keras.layers.Dense(1)])
    >>> a = keras_ssl.weights.read_weights(model)
    >>> b = permute_weights(model, a, {"dense_0": np.array([1, 2, 0])})
    >>> {name: order.tolist() for name, order in weight_matching(model, a, b).items()}
    {'dense_0': [2, 0, 1]}

    References: Ainsworth et al., "Git Re-Basin: merging models modulo permutation symmetries", ICLR 2023,
    https://arxiv.org/abs/2209.04836; on what it changes, Ito et al., "Analysis of linear mode connectivity via
    permutation-based weight matching", 2024, https://arxiv.org/abs/2402.04051.
    """
    rng = np.random.default_rng(check_integer("seed", seed, 0))
    max_sweeps = check_integer("max_sweeps", max_sweeps, 1)
    groups = unit_structure(model).free()
    check_weights(model, weights_a=weights_a, weights_b=weights_b)
    matching = _Matching(groups, weights_a, weights_b)
    starts = {name: np.arange(group.size) for name, group in groups.items()}, matching.from_the_inputs()
    ends = [matching.descend(start, rng, max_sweeps) for start in starts]
    return max(ends, key=matching.product)  # of equal ones the first


def permute_weights(
    model: keras.Model, weights: Weights, permutations: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Puts the hidden units of a network into another order, which does not change the function it computes.

    Args:
        model: a built model of the structure, as for `weight_matching`.
        weights: of the network, such as `read_weights` returns.
        permutations: by group, such as `weight_matching` returns: unit `j` becomes the one that was at
            `permutation[j]`. Groups that are not named stay as they are.

    Returns:
        Weights by name, in arrays of their own memory.

    Raises:
        ValueError: if a group is not one of the model, or its array is no permutation of its units; as
            `weight_matching`.

    Example:

    >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(2), keras.layers.Dense(1)])
    >>> weights = {"dense_0/kernel": np.array([[1.0, 2.0]]), "dense_0/bias": np.array([3.0, 4.0]),
    ...            "dense_1/kernel": np.array([[5.0], [6.0]]), "dense_1/bias": np.array([7.0])}
    >>> permuted = permute_weights(model, weights, {"dense_0": np.array([1, 0])})
    >>> permuted["dense_0/kernel"].tolist(), permuted["dense_1/kernel"].tolist()
    ([[2.0, 1.0]], [[6.0], [5.0]])

    Reference: Ainsworth et al., "Git Re-Basin: merging models modulo permutation symmetries", ICLR 2023,
    https://arxiv.org/abs/2209.04836.
    """
    groups = unit_structure(model).free()
    check_weights(model, weights=weights)
    orders = weight_arrays("permutations", permutations)
    for name, order in orders.items():
        if name not in groups:
            known = ", ".join(groups)
            raise ValueError(f"`permutations` must be of groups of the model: {known}. Received: group {name!r}")
        numbers = order.ndim == 1 and order.dtype.kind in "iu"
        if not numbers or not np.array_equal(np.sort(order), np.arange(groups[name].size)):
            raise ValueError(
                f"`permutations` must hold each of {groups[name].size} units of {name} once. Received: "
                f"permutations[{name!r}]={order!r}"
            )
    chosen = [groups[name] for name in orders]
    return {name: permuted(name, np.array(weights[name]), chosen, orders) for name in weights}


def permuted(
    name: str, array: np.ndarray, groups: list[UnitGroup], orders: Mapping[str, np.ndarray], but: int | None = None
) -> np.ndarray:
    """A weight with its units in the orders of their groups; the axis `but` stays."""
    for group in groups:
        for axis in group.axes:
            if axis.weight == name and axis.axis != but:
                array = array.take(axis.indices(orders[group.name], group.size), axis.axis)
    return array


def check_weights(model: keras.Model, **sets: Weights) -> None:
    """Raises where a set of weights is not of the model; the sets go by their arguments' names."""
    variables = named_weights(model)
    for argument, weights in sets.items():
        arrays = weight_arrays(argument, weights)
        problems = misfits(variables, arrays)
        if problems:
            raise ValueError(f"`{argument}` must be weights of the model. Received: model={model.name!r}; {problems}")
        infinite = [name for name in arrays if not np.isfinite(arrays[name]).all()]
        if infinite:
            raise ValueError(f"`{argument}` must be finite. Received: infinity in {infinite[0]}")


class _Matching:
    """The inner product of two networks' weights as a function of the orders of B's groups."""

    def __init__(self, groups: Mapping[str, UnitGroup], weights_a: Weights, weights_b: Weights) -> None:
        self.groups = groups
        self.touching: dict[str, list[UnitGroup]] = {}
        for group in groups.values():
            for name in dict.fromkeys(axis.weight for axis in group.axes if axis.role != "statistic"):
                self.touching.setdefault(name, []).append(group)
        self.first, self.second = (
            {name: np.asarray(weights[name], "float64") for name in self.touching} for weights in (weights_a, weights_b)
        )

    def product(self, orders: Mapping[str, np.ndarray], names: Iterable[str] | None = None) -> float:
        """The inner product of the weights of these names; of all that units touch, by default."""
        chosen = self.touching if names is None else names
        return sum(
            float(np.vdot(self.first[name], permuted(name, self.second[name], self.touching[name], orders)))
            for name in chosen
        )

    def from_the_inputs(self) -> dict[str, np.ndarray]:
        """Orders group by group from the inputs on, each by the weights whose other units are in order already.

        Of a network and its own copy with permuted units these are the permutations, unless units are equal.
        """
        orders: dict[str, np.ndarray] = {}
        for name, group in self.groups.items():
            settled = [
                axis
                for axis in group.axes
                if all(other.name in orders or other is group for other in self.touching.get(axis.weight, ()))
                and sum(each.weight == axis.weight for each in group.axes) == 1
            ]
            orders[name] = _assigned(self.gains(group, orders, settled))
        return orders

    def descend(self, start: dict[str, np.ndarray], rng: np.random.Generator, max_sweeps: int) -> dict[str, np.ndarray]:
        """Orders from which no change of a single group's raises the inner product, or those after the last sweep."""
        found = dict(start)
        for _ in range(max_sweeps):
            changed = False
            for name in rng.permutation(sorted(self.groups)):
                group, old = self.groups[name], found[name]
                names = [weight for weight, owners in self.touching.items() if group in owners]
                before = self.product(found, names)
                found[name] = _assigned(self.gains(group, found, group.axes))
                bound = sum(float(np.linalg.norm(self.first[w]) * np.linalg.norm(self.second[w])) for w in names)
                # Where a kernel both makes and reads the units, the assignment is no more than a guess.
                if self.product(found, names) > before + 1e-12 * bound:
                    changed = True
                else:
                    found[name] = old
            if not changed:
                break
        return found

    def gains(self, group: UnitGroup, orders: Mapping[str, np.ndarray], axes: Iterable[UnitAxis]) -> np.ndarray:
        """`[i, j]`: what the inner product gains by unit `j` of B at the place of unit `i` of A."""
        gains = np.zeros((group.size, group.size))
        for axis in axes:
            if axis.role == "statistic":
                continue
            a = self.first[axis.weight]
            b = permuted(axis.weight, self.second[axis.weight], self.touching[axis.weight], orders, but=axis.axis)
            rows = [
                np.moveaxis(np.moveaxis(array, axis.axis, 0).reshape(axis.places, group.size, -1), 1, 0)
                for array in (a, b)
            ]
            gains += rows[0].reshape(group.size, -1) @ rows[1].reshape(group.size, -1).T
        return gains


def _assigned(gains: np.ndarray) -> np.ndarray:
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(gains, maximize=True)[1]
