"""The linear probe with a regularization that is chosen on held-out training data."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_ssl.evaluation.linear_probe import accuracy_of_probe, check_probe, probe_data
from keras_ssl.evaluation.stratified_subset import drawn
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

_REGULARIZATIONS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)


class LinearProbeGrid(NamedTuple):
    """The accuracy on the test features, the regularization that was chosen, and each one's on held-out data."""

    accuracy: float
    regularization: float
    validation: dict[float, float]


def linear_probe_grid(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    regularizations: Sequence[float] = _REGULARIZATIONS,
    validation: float = 0.2,
    max_iter: int = 500,
    seed: int = 0,
) -> LinearProbeGrid:
    """`linear_probe` with the regularization that does best on a part of the training data that is held out.

    Each regularization is fitted to the rest and measured on that part; the best one (of equals, the largest) is
    fitted to all training data and measured on the test data, which therefore has no say in the choice. The split
    takes the same share of each class and is a function of `seed` alone; a class of which that share rounds to
    nothing stays in training.

    Args:
        train_features: `[N, D]`, any floating type.
        train_labels: integers or strings `[N]`.
        test_features: `[M, D]`.
        test_labels: `[M]`. A class that the training set lacks counts as an error.
        regularizations: the weight decays to try. Defaults to 1e-6, 1e-5 ... 10.
        validation: share of each class that is held out, above 0 and below 1. Defaults to 0.2.
        max_iter: most iterations of L-BFGS. Defaults to 500.
        seed: of the split. Defaults to 0.

    Returns:
        The named tuple `(accuracy, regularization, validation)`; the last maps each regularization to its accuracy
        on the held-out part.

    Raises:
        ValueError: if shapes do not fit, a row holds NaN or infinity (its number is named), a setting is out of
            range, or no class has enough samples to hold one out.
        ImportError: if scikit-learn is not installed.

    Example:

    >>> x, y = [[0.0], [1.0], [2.0], [7.0], [8.0], [9.0]], [0, 0, 0, 1, 1, 1]
    >>> found = linear_probe_grid(x, y, [[0.5], [8.5]], [0, 1], regularizations=[1e-3, 1e-1])
    >>> found.accuracy, found.regularization
    (1.0, 0.1)
    """
    train, labels, test, truth = probe_data(train_features, train_labels, test_features, test_labels)
    if not len(regularizations):
        raise ValueError(f"`regularizations` must not be empty. Received: regularizations={regularizations!r}")
    for regularization in regularizations:
        check_probe(regularization, max_iter)
    if not 0 < validation < 1:
        raise ValueError(f"`validation` must be above 0 and below 1. Received: validation={validation}")
    held_out = hold_out(labels, validation, check_integer("seed", seed, 0))
    if not held_out.any():
        raise ValueError(
            f"No class has enough samples to hold one out. Received: validation={validation}, "
            f"train_labels with {len(np.unique(labels))} classes for {len(labels)} samples"
        )
    accuracies = {
        float(regularization): accuracy_of_probe(
            train[~held_out], labels[~held_out], train[held_out], labels[held_out], regularization, max_iter
        )
        for regularization in regularizations
    }
    best = max(accuracies, key=lambda regularization: (accuracies[regularization], regularization))
    return LinearProbeGrid(accuracy_of_probe(train, labels, test, truth, best, max_iter), best, accuracies)


def hold_out(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which samples to hold out, `[N]`: this share of each class, rounded, but never all of it."""
    return drawn(labels, lambda count: min(round(share * count), count - 1), seed)
