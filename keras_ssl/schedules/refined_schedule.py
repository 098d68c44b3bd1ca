"""A learning rate made for a task from the gradient norms of an earlier run on it."""

from typing import Any

import keras
import numpy as np

from keras_ssl.schedules.steps import as_step, check_rate, check_steps, check_warmup
from keras_ssl.typing import Tensor

__all__ = ["RefinedSchedule"]

POWERS = {"sgd": 2, "adam": 1}


@keras.saving.register_keras_serializable(package="keras_ssl")
class RefinedSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate refined by gradient norms of an earlier run: it warms up and anneals where the task asks for it.

        G    = median filter of `norms`, over a share `smoothing` of the T steps
        w_t  = G_t ** -2   for "sgd",  G the Euclidean norm of the gradient
        w_t  = G_t ** -1   for "adam", G the sum of the absolute values of the gradient
        rate = peak * s_t / max_t s_t,   s_t = w_t * sum of w_p over p > t

    Steps t are counted from 0 to T - 1. The rate of the last step is 0, and stays 0. Constant norms give
    `LinearDecay(peak, total_steps=T - 1)`; a factor on all norms changes nothing. Record the norms with
    `GradientNormRecorder` in a run with `LinearDecay`, say.

    The window of the filter is an odd number of steps. The first value is repeated before the beginning, and the values
    are mirrored at the end. Filtered norms below a millionth of the largest count as that: no weight is infinite.

    Args:
        peak: the highest learning rate, positive.
        norms: gradient norms of the earlier run, one for each step, finite and at least 0, not all 0.
        optimizer: "sgd" (with or without momentum) or "adam" (and other sign-like steps). Defaults to "sgd".
        smoothing: width of the filter as a share of the run, in [0, 1). Defaults to 0.1.
        total_steps: steps of the new run: the norms are stretched to as many by linear interpolation. Defaults to None:
            the number of `norms`.
        warmup_steps: steps of an additional linear warm-up, a factor of `min(k / warmup_steps, 1)`. Defaults to 0.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> schedule = RefinedSchedule(0.5, norms=np.ones(11))
    >>> [round(float(schedule(k)), 3) for k in (0, 5, 10, 20)]
    [0.5, 0.25, 0.0, 0.0]

    Reference: Defazio et al., "When, why and how much? Adaptive learning rate scheduling by refinement", 2023,
    https://arxiv.org/abs/2310.07831.
    """

    def __init__(
        self,
        peak: float,
        norms: Any,
        optimizer: str = "sgd",
        smoothing: float = 0.1,
        total_steps: int | None = None,
        warmup_steps: int = 0,
    ) -> None:
        self.peak = check_rate("peak", peak)
        if optimizer not in POWERS:
            raise ValueError(f"`optimizer` must be one of {', '.join(POWERS)}. Received: optimizer={optimizer!r}")
        self.optimizer = optimizer
        self.smoothing = check_rate("smoothing", smoothing, zero=True)
        if self.smoothing >= 1.0:
            raise ValueError(f"`smoothing` must be less than 1. Received: smoothing={smoothing}")
        try:
            self.norms = np.asarray(norms, "float64")
        except (TypeError, ValueError) as error:
            raise ValueError(f"`norms` must be a list of numbers. Received: norms={norms!r}") from error
        if self.norms.ndim != 1 or len(self.norms) < 2:
            raise ValueError(f"`norms` must be 2 numbers or more. Received: norms={norms!r}")
        if not np.isfinite(self.norms).all() or self.norms.min() < 0.0 or self.norms.max() == 0.0:
            raise ValueError(f"`norms` must be finite, at least 0, and not all 0. Received: norms={norms!r}")
        length = len(self.norms) if total_steps is None else total_steps
        self.total_steps = check_steps("total_steps", length, 2)
        self.warmup_steps = check_warmup(warmup_steps, self.total_steps)
        self.rates = self._rates().astype("float32")

    def _rates(self) -> np.ndarray:
        norms = self.norms / self.norms.max()
        if len(norms) != self.total_steps:
            ends = (np.linspace(0.0, 1.0, self.total_steps), np.linspace(0.0, 1.0, len(norms)))
            norms = np.interp(*ends, norms)
        half = int(self.smoothing * self.total_steps / 2)
        padded = np.concatenate([np.full(half, norms[0]), norms, norms[::-1][:half]])
        norms = np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1), axis=-1)
        # Where most steps have a norm of 0, the filter leaves nothing else.
        norms = np.maximum(norms / max(norms.max(), 1e-300), 1e-6)
        weights = norms ** -POWERS[self.optimizer]
        later = np.concatenate([np.cumsum(weights[:0:-1])[::-1], [0.0]])
        rates = weights * later
        warmup = np.minimum(np.arange(self.total_steps) / max(self.warmup_steps, 1), 1.0) if self.warmup_steps else 1.0
        return self.peak * rates / rates.max() * warmup

    def __call__(self, step: Tensor) -> Tensor:
        """The learning rate at a step: float32."""
        ops = keras.ops
        place = ops.clip(as_step(step), 0, self.total_steps - 1)
        return ops.take(ops.convert_to_tensor(self.rates), ops.cast(place, "int32"))

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "norms": self.norms.tolist(),
            "optimizer": self.optimizer,
            "smoothing": self.smoothing,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
        }
