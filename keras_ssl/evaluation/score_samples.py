"""Samples of a density of which only the score is known, the gradient of its logarithm."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import check_integer

__all__ = ["langevin_samples", "metropolis_hastings_samples"]


def langevin_samples(
    score: Callable[[Any], Any], start: Any, step_size: float, steps: int = 1000, seed: int = 0
) -> np.ndarray:
    """Moves points by Langevin's dynamics, without a correction: `x + step_size * score(x) + sqrt(2 step_size) * e`.

    e is standard normal. The smaller the steps, the nearer the points come to the density, and the longer it takes.

    Args:
        score: of points `[N, ...]`, returns the gradient of the log density there, such as
            `keras_ssl.DenoisingAutoencoder.score`.
        start: where N chains start, `[N, ...]`.
        step_size: greater than 0.
        steps: number of steps, at least 1. Defaults to 1000.
        seed: of the noise. Defaults to 0.

    Returns:
        Where the chains end, a float32 array of the shape of `start`.

    Raises:
        ValueError: if an argument is out of range, or a score is not finite.

    Example:

    >>> points = langevin_samples(lambda x: -x, np.zeros((2000, 1)), step_size=0.05, steps=100)
    >>> bool(abs(points.std() - 1.0) < 0.1)
    True

    Reference: Alain and Bengio, "What Regularized Auto-Encoders Learn from the Data Generating Distribution", JMLR
    2014, https://arxiv.org/abs/1211.4246.
    """
    step_size = check_number("step_size", step_size, 0.0, above=True)
    x, rng = np.array(start, "float32"), np.random.default_rng(check_integer("seed", seed, 0))
    for _ in range(check_integer("steps", steps, 1)):
        noise = rng.standard_normal(x.shape, "float32")
        x = x + np.float32(step_size) * _score(score, x) + np.float32((2.0 * step_size) ** 0.5) * noise
    return x


def metropolis_hastings_samples(
    score: Callable[[Any], Any], start: Any, step_size: float, steps: int = 1000, seed: int = 0
) -> tuple[np.ndarray, float]:
    """Moves points by a random walk whose steps are taken or not by what the score says of the density's ratio.

    From x, `x' = x + step_size * e` with e standard normal is proposed, and taken with the probability
    `min(1, exp(d))`, where `d = (x' - x) . (score(x) + score(x')) / 2` stands for `log p(x') - log p(x)`. That is exact
    where the score is linear, as a Gaussian's is, and the better elsewhere, the shorter the steps. A density without a
    score that is a gradient, as that of an autoencoder may be, is sampled approximately.

    Args:
        score: of points `[N, ...]`, returns the gradient of the log density there, such as
            `keras_ssl.DenoisingAutoencoder.score`.
        start: where N chains start, `[N, ...]`.
        step_size: standard deviation of a proposed step, greater than 0.
        steps: number of steps, at least 1. Defaults to 1000.
        seed: of the proposals. Defaults to 0.

    Returns:
        Where the chains end, a float32 array of the shape of `start`, and the share of steps that were taken.

    Raises:
        ValueError: if an argument is out of range, or a score is not finite.

    Example:

    >>> points, taken = metropolis_hastings_samples(lambda x: -x, np.zeros((2000, 1)), step_size=1.0, steps=100)
    >>> bool(abs(points.std() - 1.0) < 0.1), bool(0.5 < taken < 0.9)
    (True, True)

    Reference: Alain and Bengio, "What Regularized Auto-Encoders Learn from the Data Generating Distribution", JMLR
    2014, https://arxiv.org/abs/1211.4246. The mean of both ends' scores is this library's choice.
    """
    step_size = check_number("step_size", step_size, 0.0, above=True)
    steps = check_integer("steps", steps, 1)
    x, rng = np.array(start, "float32"), np.random.default_rng(check_integer("seed", seed, 0))
    axes, here, taken = tuple(range(1, x.ndim)), _score(score, x), 0.0
    for _ in range(steps):
        proposed = x + np.float32(step_size) * rng.standard_normal(x.shape, "float32")
        there = _score(score, proposed)
        gain = np.sum((proposed - x) * 0.5 * (here + there), axis=axes, dtype="float64")
        moves = np.log(1.0 - rng.random(len(x))) < gain
        chosen = moves.reshape(-1, *[1] * len(axes))
        x, here = np.where(chosen, proposed, x), np.where(chosen, there, here)
        taken += float(moves.mean())
    return x, taken / steps


def _score(score: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
    found = np.asarray(keras.ops.convert_to_numpy(score(x)), "float32")
    if found.shape != x.shape or not np.isfinite(found).all():
        raise ValueError(
            f"`score` must give finite values of the shape {x.shape}. "
            f"Received: shape {found.shape}, {int((~np.isfinite(found)).sum())} values not finite"
        )
    return found
