"""Which learning rate to try next: Bayesian optimization over its logarithm."""

import numpy as np

from keras_ssl.schedules.steps import check_rate

__all__ = ["GaussianProcessLR"]

POINTS = 257  # learning rates among which the next one is chosen
LENGTHS = np.array([0.05, 0.1, 0.2, 0.4, 0.8, 1.6])  # of the kernel, in shares of the search interval
NOISES = np.array([1e-6, 1e-4, 1e-2, 1e-1])  # variances, of values scaled to variance 1


class GaussianProcessLR:
    """Proposes learning rates that make a value small, from the values of rates tried before.

    A Gaussian process models the value over `z = log(rate)`, scaled to [0, 1] between `low` and `high`, with a Matern
    kernel:

        k(r) = (1 + u + u ** 2 / 3) * exp(-u),  u = sqrt(5) * r / length

    Values are scaled to mean 0 and variance 1; the length and the variance of the noise are those of a small grid that
    make the values most likely. The next rate is where the lower confidence bound is least:

        mean(z) - kappa * deviation(z)

    among 257 rates, without those tried before. The first rate is the geometric mean of `low` and `high`. No random
    numbers are drawn. A value that is not finite (a run that diverged) counts as the largest of the finite ones plus
    their range.

    Args:
        low: the lowest learning rate, positive.
        high: the highest, at least `low`. Where both are equal, that is the one proposal.
        kappa: how much uncertainty counts, at least 0; with 0 only the mean counts. The authors' code uses 1e6, which
            only explores. Defaults to 2.0.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> search = GaussianProcessLR(1e-4, 1.0)
    >>> for _ in range(12):
    ...     rate = search.propose()
    ...     search.tell(rate, (np.log10(rate) + 1.0) ** 2)
    >>> 0.08 < search.best() < 0.125
    True

    Reference: Jin et al., "AutoLRS: automatic learning-rate schedule by Bayesian optimization on the fly", ICLR 2021,
    https://arxiv.org/abs/2105.10762.
    """

    def __init__(self, low: float, high: float, kappa: float = 2.0) -> None:
        self.low, self.high = check_rate("low", low), check_rate("high", high)
        if self.low > self.high:
            raise ValueError(f"`low` must be at most `high`. Received: low={low}, high={high}")
        self.kappa = check_rate("kappa", kappa, zero=True)
        self.rates: list[float] = []
        self.values: list[float] = []
        self._grid = np.linspace(0.0, 1.0, POINTS)

    def propose(self) -> float:
        """The learning rate to try next."""
        if self.low == self.high:
            return self.low
        if not self.rates:
            return self._rate(0.5)
        mean, deviation = self.predict(self._rates_of_grid())
        bound = mean - self.kappa * deviation
        tried = np.abs(self._grid[:, None] - self._place(np.array(self.rates))) < 0.5 / (POINTS - 1)
        free = ~tried.any(axis=1)
        if not free.any():
            return self.best()
        return self._rate(float(self._grid[np.argmin(np.where(free, bound, np.inf))]))

    def tell(self, rate: float, value: float) -> None:
        """Adds the value of a rate.

        Args:
            rate: from `low` to `high`.
            value: the smaller, the better; NaN or infinite for a failure.

        Raises:
            ValueError: if the rate is out of range.
        """
        check_rate("rate", rate)
        if not self.low * (1 - 1e-9) <= rate <= self.high * (1 + 1e-9):
            raise ValueError(f"`rate` must lie in [{self.low}, {self.high}]. Received: rate={rate}")
        self.rates.append(float(rate))
        self.values.append(float(value))

    def best(self) -> float:
        """The rate of the smallest value so far.

        Raises:
            ValueError: if no finite value was told.
        """
        finite = np.isfinite(self.values)
        if not finite.any():
            raise ValueError(f"A finite value must have been told. Received: values={self.values}")
        return self.rates[int(np.argmin(np.where(finite, self.values, np.inf)))]

    def predict(self, rates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the value at rates.

        Args:
            rates: `[M]`, positive.

        Returns:
            Two arrays `[M]`, in the units of the values.

        Raises:
            ValueError: if no value was told.
        """
        if not self.rates:
            raise ValueError("A value must have been told. Received: rates=[]")
        values = np.array(self.values)
        finite = values[np.isfinite(values)]
        worst = finite.max() + max(np.ptp(finite), 1e-12) if len(finite) else 1.0
        values = np.where(np.isfinite(values), values, worst)
        center, scale = values.mean(), values.std() or 1.0
        scaled, places = (values - center) / scale, self._place(np.array(self.rates))
        distance = np.abs(places[:, None] - places)
        length, factor = self._most_likely(distance, scaled)
        across = _matern(np.abs(self._place(np.asarray(rates, "float64"))[:, None] - places), length)
        mean = across @ np.linalg.solve(factor.T, np.linalg.solve(factor, scaled))
        explained = np.linalg.solve(factor, across.T)
        variance = np.maximum(1.0 - (explained**2).sum(axis=0), 0.0)
        return center + scale * mean, scale * np.sqrt(variance)

    def _most_likely(self, distance: np.ndarray, scaled: np.ndarray) -> tuple[float, np.ndarray]:
        """Length of the kernel under which the values are most likely, with the Cholesky factor of their covariance."""
        found: list[tuple[float, float, np.ndarray]] = []
        for length in LENGTHS:
            for noise in NOISES:
                factor = np.linalg.cholesky(_matern(distance, length) + noise * np.eye(len(scaled)))
                white = np.linalg.solve(factor, scaled)
                found.append((float(0.5 * white @ white + np.log(np.diag(factor)).sum()), float(length), factor))
        _, length, factor = min(found, key=lambda one: one[0])
        return length, factor

    def _place(self, rates: np.ndarray) -> np.ndarray:
        if self.low == self.high:
            return np.zeros_like(rates)
        return np.log(rates / self.low) / np.log(self.high / self.low)

    def _rate(self, place: float) -> float:
        return float(np.clip(self.low * (self.high / self.low) ** place, self.low, self.high))

    def _rates_of_grid(self) -> np.ndarray:
        return self.low * (self.high / self.low) ** self._grid


def _matern(distance: np.ndarray, length: float) -> np.ndarray:
    u = np.sqrt(5.0) * distance / length
    return (1.0 + u + u**2 / 3.0) * np.exp(-u)
