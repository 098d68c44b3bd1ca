"""pass@N: whether one of N guesses is right."""

import numpy as np

from keras_ssl.evaluation.calibration.probabilities import as_labels, as_probabilities, check_count
from keras_ssl.typing import Tensor

__all__ = ["pass_at_n", "pass_at_n_from_counts"]


def pass_at_n(probabilities: Tensor, labels: Tensor, attempts: int) -> float:
    """The expected share of samples that at least one of N guesses, drawn from the predictions, gets right.

    `mean_i 1 - (1 - p_i[y_i])^N`. With N = 1 it is the mean probability of the label; a confident mistake stays one
    however often it is guessed.

    Args:
        probabilities: predicted distributions, `[N, K]`.
        labels: class numbers, integers `[N]`.
        attempts: number of guesses, at least 1.

    Returns:
        A number in [0, 1]; the higher, the better.

    Raises:
        ValueError: if rows are no distributions, a label is no class, or `attempts` is no positive integer.

    Example:

    >>> round(pass_at_n([[0.5, 0.5], [1.0, 0.0]], [0, 1], attempts=2), 4)
    0.375

    Reference:
        Chen et al., "Rethinking Fine-Tuning when Scaling Test-Time Compute: Limiting Confidence Improves Mathematical
        Reasoning", NeurIPS 2025.
    """
    p = as_probabilities("probabilities", probabilities)
    y = as_labels(labels, *p.shape)
    attempts = check_count("attempts", attempts)
    right = np.clip(p[np.arange(len(y)), y], 0.0, 1.0)
    with np.errstate(divide="ignore"):
        return float(np.mean(-np.expm1(attempts * np.log1p(-right))))


def pass_at_n_from_counts(correct: Tensor, drawn: int, attempts: int) -> float:
    """pass@N estimated without bias from guesses that were drawn: of each problem n, of which c were right.

    `mean_i 1 - C(n - c_i, N) / C(n, N)`: the share of all choices of N of the n guesses that hold a right one.

    Args:
        correct: c, the number of right guesses of each problem, integers `[P]` from 0 to n.
        drawn: n, the number of guesses of each problem.
        attempts: N, from 1 to n.

    Returns:
        A number in [0, 1]; the higher, the better.

    Raises:
        ValueError: if a count lies outside [0, n], or `attempts` outside [1, n].

    Example:

    >>> round(pass_at_n_from_counts([0, 1, 4], drawn=4, attempts=2), 4)
    0.5

    Reference:
        Chen et al., "Evaluating Large Language Models Trained on Code", 2021.
    """
    drawn, attempts = check_count("drawn", drawn), check_count("attempts", attempts)
    if attempts > drawn:
        raise ValueError(f"`attempts` must be at most `drawn`={drawn}. Received: attempts={attempts}")
    counts = np.asarray(correct)
    if counts.ndim != 1 or counts.size == 0 or counts.dtype.kind not in "iu":
        raise ValueError(
            f"`correct` must be integers [P]. Received: correct.shape={counts.shape}, correct.dtype={counts.dtype}"
        )
    if (counts < 0).any() or (counts > drawn).any():
        raise ValueError(f"`correct` must lie in [0, {drawn}]. Received: correct={counts}")
    # C(n - c, N) / C(n, N) as a product of N ratios, each in [0, 1]: the binomials themselves overflow.
    place = np.arange(attempts)
    left = np.maximum(drawn - counts[:, None] - place, 0) / (drawn - place)
    return float(np.mean(1.0 - np.prod(left, axis=1)))
