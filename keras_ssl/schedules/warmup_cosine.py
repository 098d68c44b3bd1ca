"""The learning rate of nearly every self-supervised recipe: linear warm-up, then half a cosine."""

import math
from typing import Any

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate by step: a linear warm-up, then a cosine down to `final`, where it stays.

        k < warmup_steps:  start + (peak - start) * k / warmup_steps
        otherwise:         final + (peak - final) * (1 + cos(pi * p)) / 2,
                           p = min((k - warmup_steps) / (total_steps - warmup_steps), 1)

    Steps are counted from 0, so a warm-up from `start=0.0` makes a first step of length 0. A step is one
    batch given to the optimizer: with `gradient_accumulation_steps` Keras counts micro-batches here.

    Args:
        peak: the highest learning rate, positive.
        total_steps: number of steps after which the rate is `final`.
        warmup_steps: number of steps of the warm-up, less than `total_steps`. Defaults to 0.
        start: the rate at step 0 when there is a warm-up, at least 0. Defaults to 0.0.
        final: the rate at `total_steps` and after, at least 0. Defaults to 0.0.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> schedule = WarmupCosine(peak=0.4, total_steps=100, warmup_steps=20)
    >>> [round(float(schedule(k)), 3) for k in (0, 10, 20, 60, 100)]
    [0.0, 0.2, 0.4, 0.2, 0.0]

    Reference: Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR 2017,
    https://arxiv.org/abs/1608.03983; Goyal et al., 2017, https://arxiv.org/abs/1706.02677, for the warm-up.
    """

    def __init__(
        self,
        peak: float,
        total_steps: int,
        warmup_steps: int = 0,
        start: float = 0.0,
        final: float = 0.0,
    ) -> None:
        check_positive("peak", peak)
        check_integer("total_steps", total_steps, 1)
        if not 0 <= warmup_steps < total_steps or warmup_steps != int(warmup_steps):
            raise ValueError(
                "`warmup_steps` must be an integer from 0 to less than `total_steps`. "
                f"Received: warmup_steps={warmup_steps}, total_steps={total_steps}"
            )
        check_number("start", start, 0.0)
        check_number("final", final, 0.0)
        self.peak = float(peak)
        self.total_steps = int(total_steps)
        self.warmup_steps = int(warmup_steps)
        self.start = float(start)
        self.final = float(final)

    def __call__(self, step: Tensor) -> Tensor:
        """The learning rate at a step: a float32 scalar."""
        ops = keras.ops
        step = ops.cast(step, "float32")
        progress = (step - self.warmup_steps) / (self.total_steps - self.warmup_steps)
        cosine = ops.cos(math.pi * ops.clip(progress, 0.0, 1.0))
        rate = self.final + (self.peak - self.final) * 0.5 * (1.0 + cosine)
        if self.warmup_steps:
            warmup = self.start + (self.peak - self.start) * step / self.warmup_steps
            rate = ops.where(step < self.warmup_steps, warmup, rate)
        return rate

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "start": self.start,
            "final": self.final,
        }
