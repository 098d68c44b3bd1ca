"""Repeated self-distillation with the labels mixed in, in closed form for kernel ridge regression."""

import numpy as np

from keras_ssl.losses.numeric import check_integer

__all__ = ["optimal_distillation_weight", "self_distillation_fits", "self_distillation_limit"]


def self_distillation_fits(
    kernel: np.ndarray, targets: np.ndarray, ridge: float, weight: float, rounds: int
) -> np.ndarray:
    """Predictions on the training points after each round of self-distillation of a kernel ridge regression.

    Round 1 fits the targets, round t fits `weight * targets + (1 - weight) * f_(t-1)`:
    `f_t = K (K + ridge I)^-1 (weight y + (1 - weight) f_(t-1))`.

    Args:
        kernel: K, symmetric and positive semidefinite, `[N, N]`.
        targets: y, `[N]` or `[N, C]`.
        ridge: the penalty, above 0.
        weight: of the given targets in rounds after the first, in [0, 1]: 1 changes nothing after round 1, 0 forgets
            them.
        rounds: at least 1.

    Returns:
        float64 `[rounds, N]` or `[rounds, N, C]`.

    Raises:
        ValueError: if an argument is out of range or the shapes do not fit.

    Example:

    >>> [round(float(f), 3) for f in self_distillation_fits(np.eye(1), np.ones(1), 1.0, 0.0, 3)[:, 0]]
    [0.5, 0.25, 0.125]

    Reference: Borup and Andersen, "Even your Teacher Needs Guidance: Ground-Truth Targets Dampen Regularization Imposed
    by Self-Distillation", NeurIPS 2021.
    """
    kernel, targets = _checked(kernel, targets, ridge, weight)
    rounds = check_integer("rounds", rounds, 1)
    smoother = np.linalg.solve(kernel + ridge * np.eye(len(kernel)), kernel).T  # K (K + ridge I)^-1
    fits = [smoother @ targets]
    for _ in range(int(rounds) - 1):
        fits.append(smoother @ (weight * targets + (1.0 - weight) * fits[-1]))
    return np.stack(fits)


def self_distillation_limit(kernel: np.ndarray, targets: np.ndarray, ridge: float, weight: float) -> np.ndarray:
    """What infinitely many rounds come to: `K (K + (ridge / weight) I)^-1 y`, a fit with a larger penalty.

    Args:
        kernel, targets, ridge: as for `self_distillation_fits`.
        weight: in [0, 1]; 0 comes to zero.

    Returns:
        float64, of the shape of `targets`.

    Raises:
        ValueError: if an argument is out of range or the shapes do not fit.

    Example:

    >>> [round(float(f), 3) for f in self_distillation_limit(np.eye(1), np.ones(1), 1.0, 0.5)]
    [0.333]
    """
    kernel, targets = _checked(kernel, targets, ridge, weight)
    if weight == 0.0:
        return np.zeros_like(targets)
    return kernel @ np.linalg.solve(kernel + ridge / weight * np.eye(len(kernel)), targets)


def optimal_distillation_weight(student: np.ndarray, teacher: np.ndarray, targets: np.ndarray) -> float:
    """The weight of given targets for which the next round fits held-out targets best, by least squares.

    Predictions are linear in the targets, so that the next round with the weight a predicts `a f + (1 - a) g`, where f
    are the predictions of a model that was fitted to the targets, and g those of one that was fitted to the
    predictions of the model before. The best a is that of the least squared error, cut to [0, 1].

    Args:
        student: f, predictions on held-out samples of the model that was fitted to the given targets, `[M]` or `[M,
            C]`.
        teacher: g, of the model that was fitted to the teacher's predictions.
        targets: of the held-out samples.

    Returns:
        The weight, in [0, 1]; 1 where both models predict the same.

    Raises:
        ValueError: if the shapes differ or a number is not finite.

    Example:

    >>> optimal_distillation_weight(np.array([2.0, 2.0]), np.array([0.0, 0.0]), np.array([1.0, 1.0]))
    0.5
    """
    f, g, y = (np.asarray(array, "float64") for array in (student, teacher, targets))
    if f.shape != g.shape or f.shape != y.shape or not all(np.isfinite(array).all() for array in (f, g, y)):
        raise ValueError(
            "Predictions and targets must be finite and of one shape. "
            f"Received: shapes {f.shape}, {g.shape} and {y.shape}"
        )
    difference = f - g
    square = float(np.sum(difference**2))
    if square == 0.0:
        return 1.0
    return float(np.clip(np.sum(difference * (y - g)) / square, 0.0, 1.0))


def _checked(kernel: np.ndarray, targets: np.ndarray, ridge: float, weight: float) -> tuple[np.ndarray, np.ndarray]:
    kernel, targets = np.asarray(kernel, "float64"), np.asarray(targets, "float64")
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1] or len(targets) != len(kernel):
        raise ValueError(
            "`kernel` must be a square matrix with a row for each target. "
            f"Received: shapes {kernel.shape} and {targets.shape}"
        )
    for name, array in (("kernel", kernel), ("targets", targets)):
        if not np.isfinite(array).all():
            raise ValueError(f"`{name}` must be finite. Received: {name} with NaN or infinity")
    if not 0.0 < ridge < float("inf"):
        raise ValueError(f"`ridge` must be finite and greater than 0. Received: ridge={ridge}")
    if not 0.0 <= weight <= 1.0:
        raise ValueError(f"`weight` must lie in [0, 1]. Received: weight={weight}")
    return kernel, targets
