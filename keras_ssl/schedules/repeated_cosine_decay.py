"""The usual learning rate of continual pre-training: warm-up and cosine, again for every data set."""

from typing import Any

import keras

from keras_ssl.schedules.steps import as_step, check_rate, check_steps, check_warmup, half_cosine, warmed_up
from keras_ssl.typing import Tensor

__all__ = ["RepeatedCosineDecay"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class RepeatedCosineDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate of equal cycles: each warms up linearly, then falls along a cosine to `final`.

    With j = k mod `cycle_steps` and W = `warmup_steps`:

        j < W:      low + (peak - low) * j / W,  low = start in the first cycle, final in the others
        otherwise:  final + (peak - final) * (1 + cos(pi * (j - W) / (cycle_steps - W))) / 2

    A cycle is one data set of a stream. The rate is `final` at each join if there is a warm-up, and jumps to `peak`
    there if there is none. For data sets of different sizes see `RewarmRedecaySchedule`; for a rate that does not warm
    up again, `InfiniteLearningRate`. Steps are counted from 0; steps are batches.

    Args:
        peak: the highest learning rate, positive.
        cycle_steps: steps of a cycle, positive.
        warmup_steps: steps of the warm-up of every cycle, less than `cycle_steps`. Defaults to 0.
        start: the rate at step 0 if there is a warm-up, at least 0. Defaults to 0.0.
        final: the rate at the end of every cycle, from 0 to `peak`. Defaults to 0.0.
        total_steps: step from which on the rate stays `final`. Defaults to None: cycles without end.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> schedule = RepeatedCosineDecay(peak=1.0, cycle_steps=30, warmup_steps=10)
    >>> [round(float(schedule(k)), 3) for k in (0, 10, 20, 30, 40, 50)]
    [0.0, 1.0, 0.5, 0.0, 1.0, 0.5]

    Reference: Singh et al., "Beyond cosine decay: on the effectiveness of infinite learning rate schedule for
    continual pre-training", CoLLAs 2025, https://arxiv.org/abs/2503.02844; Loshchilov and Hutter, "SGDR: stochastic
    gradient descent with warm restarts", ICLR 2017.
    """

    def __init__(
        self,
        peak: float,
        cycle_steps: int,
        warmup_steps: int = 0,
        start: float = 0.0,
        final: float = 0.0,
        total_steps: int | None = None,
    ) -> None:
        self.peak = check_rate("peak", peak)
        self.cycle_steps = check_steps("cycle_steps", cycle_steps, 1)
        self.warmup_steps = check_warmup(warmup_steps, self.cycle_steps, "cycle_steps")
        self.start = check_rate("start", start, zero=True)
        self.final = check_rate("final", final, zero=True)
        if self.final > self.peak:
            raise ValueError(f"`final` must be at most `peak`. Received: final={final}, peak={peak}")
        self.total_steps = None if total_steps is None else check_steps("total_steps", total_steps, 1)

    def __call__(self, step: Tensor) -> Tensor:
        """The learning rate at a step: float32."""
        ops = keras.ops
        step = as_step(step)
        place = ops.mod(step, self.cycle_steps)
        length = self.cycle_steps - self.warmup_steps
        progress = ops.cast(place - self.warmup_steps, "float32") / length
        cosine = half_cosine(ops.clip(progress, 0.0, 1.0), self.peak, self.final)
        rate = warmed_up(place, cosine, self.peak, self.warmup_steps, self.final)
        first = warmed_up(place, cosine, self.peak, self.warmup_steps, self.start)
        rate = ops.where(step < self.cycle_steps, first, rate)
        if self.total_steps is not None:
            rate = ops.where(step < self.total_steps, rate, self.final)
        return rate

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "cycle_steps": self.cycle_steps,
            "warmup_steps": self.warmup_steps,
            "start": self.start,
            "final": self.final,
            "total_steps": self.total_steps,
        }
