"""Samples whose weight brings a pool nearer to a target, by the gradient of an optimal-transport distance."""

from typing import Any

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.data.selection.checks import check_budget, check_features, check_same_width
from keras_ssl.losses.numeric import check_integer

__all__ = ["OptimalTransportSelection"]


class OptimalTransportSelection:
    """Chooses the samples that move a pool's distribution toward a target's.

    With the costs `C_ij = ||x_i - y_j||^2`, masses `a` of the candidates and uniform masses `b` of the target, the
    entropic distance is

        OT(a) = min over P with marginals a, b of <P, C> + e KL(P | a b^T),   e = regularization * mean(C),

    and its gradient by the masses is the potential `f` (up to a constant). Mass that sample `i` gains is taken evenly
    from the others, which gives the score

        s_i = f_i - mean(j != i) f_j.

    A negative score says that more weight on sample `i` brings the pool nearer to the target. The lowest are chosen.

    The strength `e` is relative to the mean cost, so that the units of the features do not matter. Memory grows with
    the product of both sizes: give it a sample of a large target.

    Args:
        budget: number of samples to choose, from 1 to the size of the pool.
        regularization: strength of the entropy in units of the mean cost, positive. Defaults to 0.05.
        iterations: the most iterations of Sinkhorn. Defaults to 1000.
        tolerance: the largest change of a potential, in units of `e`, at which the iteration ends. Defaults to 1e-9.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> pool = np.array([[9.0, 0.0], [0.1, 0.0], [9.0, 1.0], [0.0, 0.2]])
    >>> sorted(OptimalTransportSelection(budget=2).select(pool, target=np.zeros((3, 2))).tolist())
    [1, 3]

    Reference: Kang et al., "Get more for less: Principled Data Selection for Warming Up Fine-Tuning in LLMs", ICLR
    2024; Just et al., "LAVA: Data Valuation without Pre-Specified Learning Algorithms", ICLR 2023, for the centered
    gradient.
    """

    def __init__(
        self, budget: int, regularization: float = 0.05, iterations: int = 1000, tolerance: float = 1e-9
    ) -> None:
        self.budget = check_integer("budget", budget, 1)
        self.regularization = check_number("regularization", regularization, 0.0, above=True)
        self.iterations = check_integer("iterations", iterations, 1)
        self.tolerance = check_number("tolerance", tolerance, 0.0)

    def select(self, features: Any, target: Any) -> np.ndarray:
        """Chooses from the pool.

        Args:
            features: of the pool, `[N, D]`.
            target: features of the target, `[M, D]`.

        Returns:
            Int64 indices `[budget]`, the lowest score first, equal ones by their index.

        Raises:
            ValueError: if features hold NaN or infinity, are empty or do not fit, or the budget exceeds the pool.
        """
        pool = check_features("features", features)
        budget = check_budget(self.budget, len(pool))
        return np.argsort(self.scores(pool, target), kind="stable")[:budget].astype("int64")

    def scores(self, features: Any, target: Any, weights: Any = None) -> np.ndarray:
        """The derivative of the distance by each sample's mass, taken evenly from the others.

        Args:
            features: `[N, D]`.
            target: `[M, D]`.
            weights: masses of the samples, positive, `[N]`; they are scaled to the sum 1. Defaults to None: uniform.

        Returns:
            Float64 `[N]` with the sum 0; a pool of one sample has the score 0.
        """
        first, _, _, _, _, _ = self._solve(features, target, weights)
        if len(first) == 1:
            return np.zeros(1)
        return (first - first.mean()) * len(first) / (len(first) - 1)

    def distance(self, features: Any, target: Any, weights: Any = None) -> float:
        """The entropic distance `OT(a)` between the pool and the target; the arguments are those of `scores`."""
        first, second, costs, mass, target_mass, strength = self._solve(features, target, weights)
        if strength == 0.0:
            return 0.0
        plan = mass[:, None] * target_mass * np.exp((first[:, None] + second - costs) / strength)
        # The dual value: exact to second order in what the iteration has left over.
        return float(first @ mass + second @ target_mass - strength * (plan.sum() - 1.0))

    def _solve(self, features: Any, target: Any, weights: Any) -> tuple[Any, ...]:
        """Potentials of both sides, the costs, the masses of both sides and the strength of the entropy."""
        pool, aims = check_features("features", features), check_features("target", target)
        check_same_width("features", pool, "target", aims)
        mass = np.full(len(pool), 1.0) if weights is None else check_features("weights", weights, 1)
        if len(mass) != len(pool) or not (mass > 0).all():
            raise ValueError(
                f"`weights` must be {len(pool)} positive numbers. Received: weights=shape {mass.shape}, "
                f"lowest {mass.min()}"
            )
        mass, target_mass = mass / mass.sum(), np.full(len(aims), 1.0 / len(aims))
        center = aims.mean(axis=0)  # far from zero the expanded squares lose digits
        pool, aims = pool - center, aims - center
        squares = np.square(pool).sum(axis=1)[:, None] + np.square(aims).sum(axis=1)
        costs = np.maximum(squares - 2.0 * pool @ aims.T, 0.0)
        strength = self.regularization * float(costs.mean())
        first, second = np.zeros(len(pool)), np.zeros(len(aims))
        if strength == 0.0:
            return first, second, costs, mass, target_mass, 0.0
        for _ in range(self.iterations):
            second = -strength * _log_sum_exp((first[:, None] - costs) / strength + np.log(mass)[:, None], axis=0)
            previous = first
            first = -strength * _log_sum_exp((second - costs) / strength + np.log(target_mass), axis=1)
            if np.abs(first - previous).max() <= self.tolerance * strength:
                break
        return first, second, costs, mass, target_mass, strength


def _log_sum_exp(values: np.ndarray, axis: int) -> np.ndarray:
    highest = values.max(axis=axis, keepdims=True)
    return np.squeeze(highest, axis) + np.log(np.exp(values - highest).sum(axis=axis))
