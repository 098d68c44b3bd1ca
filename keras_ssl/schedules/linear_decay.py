"""The learning rate that is best in the worst case: a line down to zero."""

from typing import Any

import keras

from keras_ssl.schedules.steps import as_step, check_rate, check_steps, check_warmup, share, warmed_up
from keras_ssl.typing import Tensor

__all__ = ["LinearDecay"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate by step: a linear warm-up, then a line down to `final`, where it stays.

        k < warmup_steps:  start + (peak - start) * k / warmup_steps
        otherwise:         final + (peak - final) * (1 - p),
                           p = min((k - warmup_steps) / (total_steps - warmup_steps), 1)

    With `final=0.0` and no warm-up it is `peak * (1 - k / total_steps)`, which bounds the error of the last iterate
    best when nothing but a bound of the gradients is known. `RefinedSchedule` uses the norms of observed gradients.
    Steps are counted from 0; steps are batches.

    Args:
        peak: the highest learning rate, positive.
        total_steps: number of steps after which the rate is `final`, positive.
        warmup_steps: number of steps of the warm-up, less than `total_steps`. Defaults to 0.
        start: the rate at step 0 if there is a warm-up, at least 0. Defaults to 0.0.
        final: the rate at `total_steps` and after, from 0 to `peak`. Defaults to 0.0.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> schedule = LinearDecay(peak=0.4, total_steps=100, warmup_steps=20)
    >>> [round(float(schedule(k)), 3) for k in (0, 10, 20, 60, 100, 200)]
    [0.0, 0.2, 0.4, 0.2, 0.0, 0.0]

    Reference: Defazio et al., "When, why and how much? Adaptive learning rate scheduling by refinement", 2023,
    https://arxiv.org/abs/2310.07831.
    """

    def __init__(
        self,
        peak: float,
        total_steps: int,
        warmup_steps: int = 0,
        start: float = 0.0,
        final: float = 0.0,
    ) -> None:
        self.peak = check_rate("peak", peak)
        self.total_steps = check_steps("total_steps", total_steps, 1)
        self.warmup_steps = check_warmup(warmup_steps, self.total_steps)
        self.start = check_rate("start", start, zero=True)
        self.final = check_rate("final", final, zero=True)
        if self.final > self.peak:
            raise ValueError(f"`final` must be at most `peak`. Received: final={final}, peak={peak}")

    def __call__(self, step: Tensor) -> Tensor:
        """The learning rate at a step: float32."""
        step = as_step(step)
        progress = share(step, self.warmup_steps, self.total_steps - self.warmup_steps)
        rate = self.final + (self.peak - self.final) * (1.0 - progress)
        return warmed_up(step, rate, self.peak, self.warmup_steps, self.start)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "start": self.start,
            "final": self.final,
        }
