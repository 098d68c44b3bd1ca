"""Power laws of training: how a loss, or the best setting, grows with data, steps or size."""

from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["PowerLaw", "fit_power_law"]


@dataclass(frozen=True)
class PowerLaw:
    """A product of powers, `scale * x_1 ** exponents[0] * x_2 ** exponents[1] * ...`.

    Args:
        scale: the factor, positive.
        exponents: one for each variable; negative where the value falls.

    Example:

    >>> law = PowerLaw(scale=8.0, exponents=(-0.5,))
    >>> round(float(law(4.0)), 6)
    4.0
    """

    scale: float
    exponents: tuple[float, ...]

    def __call__(self, *variables: Any) -> Any:
        """The value at variables: positive numbers, or arrays that broadcast.

        Raises:
            ValueError: if there are not as many variables as exponents, or one is not positive.
        """
        if len(variables) != len(self.exponents):
            raise ValueError(
                f"`variables` must be as many as the exponents, {len(self.exponents)}. "
                f"Received: variables={variables!r}"
            )
        logarithm = np.log(self.scale)
        for value, exponent in zip(variables, self.exponents, strict=True):
            value = np.asarray(value, "float64")
            if not (np.isfinite(value) & (value > 0.0)).all():
                raise ValueError(f"`variables` must be positive and finite. Received: variables={variables!r}")
            logarithm = logarithm + exponent * np.log(value)
        return np.exp(logarithm)


def fit_power_law(x: Any, y: Any) -> PowerLaw:
    """Fits a power law, `y = scale * x ** exponent`, by least squares of the logarithms.

        minimize over a, e_1 ... e_D:  sum over n of (log y_n - a - sum over d of e_d log x_nd) ** 2,  scale = exp(a)

    Two uses: the test loss over the steps of a run of one epoch, `loss = c * steps ** -a` (the exponent comes out
    negative), and the best learning rate over model size and data size. Data that follow a law exactly give it back up
    to rounding.

    Args:
        x: variables, `[N]` or `[N, D]`, positive.
        y: values `[N]`, positive. N is at least D + 1.

    Returns:
        A `PowerLaw` with D exponents, which is called with the D variables.

    Raises:
        ValueError: if shapes do not fit, a number is not positive and finite, or the variables do not determine a law
            (all are equal, or some are powers of others).

    Example:

    >>> steps = np.array([10.0, 100.0, 1000.0])
    >>> law = fit_power_law(steps, 5.0 * steps**-0.25)
    >>> round(law.scale, 6), round(law.exponents[0], 6)
    (5.0, -0.25)

    Reference: Komatsuzaki, "One epoch is all you need", 2019, https://arxiv.org/abs/1906.06669; Li et al., "Predictable
    scale: part I, step law", 2025, https://arxiv.org/abs/2503.04715.
    """
    inputs, values = np.asarray(x, "float64"), np.asarray(y, "float64")
    if inputs.ndim == 1:
        inputs = inputs[:, None]
    if inputs.ndim != 2 or inputs.shape[1] < 1 or len(inputs) < inputs.shape[1] + 1:
        raise ValueError(
            f"`x` must have shape [N] or [N, D], with N at least D + 1. Received: x=array of shape {np.shape(x)}"
        )
    if values.shape != inputs.shape[:1]:
        raise ValueError(f"`y` must have shape {inputs.shape[:1]}. Received: y=array of shape {np.shape(y)}")
    for name, array in (("x", inputs), ("y", values)):
        if not (np.isfinite(array) & (array > 0.0)).all():
            raise ValueError(f"`{name}` must be positive and finite. Received: {name}={array.tolist()}")
    logs = np.log(inputs)
    center = logs.mean(axis=0)
    # Centered, so that large numbers of steps and parameters do not make the system ill-conditioned.
    exponents, _, rank, _ = np.linalg.lstsq(logs - center, np.log(values) - np.log(values).mean(), rcond=1e-10)
    if rank < inputs.shape[1]:
        raise ValueError(f"`x` must vary, each variable apart from the others. Received: x={inputs.tolist()}")
    scale = np.exp(np.log(values).mean() - center @ exponents)
    return PowerLaw(float(scale), tuple(float(exponent) for exponent in exponents))
