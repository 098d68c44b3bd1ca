"""The learning rate of the first transformers: linear warm-up, then one over the root of the step."""

from typing import Any

import keras

from keras_ssl.schedules.steps import as_step, check_rate, check_steps, share, since, warmed_up
from keras_ssl.typing import Tensor

__all__ = ["InverseSquareRoot"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class InverseSquareRoot(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate by step: a linear warm-up, then a fall with the inverse square root of the step, without end.

        k < warmup_steps:  start + (peak - start) * k / warmup_steps
        otherwise:         peak * sqrt(timescale / (timescale + k - warmup_steps))
        with a cool-down:  the latter times min(max(total_steps - k, 0) / cooldown_steps, 1)

    With the default `timescale` of `warmup_steps` it is `peak * min(k / warmup_steps, sqrt(warmup_steps / k))`, the
    rate of the first transformer, whose `peak` was `(width * warmup_steps) ** -0.5`. The linear cool-down to 0, by
    `total_steps` and `cooldown_steps`, is that of vision transformers. Steps are counted from 0; steps are batches.

    Args:
        peak: the highest learning rate, positive.
        warmup_steps: steps of the warm-up. Defaults to 0.
        timescale: steps after the warm-up in which the rate falls by `sqrt(2)`, positive. Defaults to None:
            `warmup_steps`, or 1 if there is no warm-up.
        total_steps: step at which the cool-down ends. Without `cooldown_steps` it has no effect. Defaults to None.
        cooldown_steps: steps of a last, linear cool-down to 0. Defaults to 0: none.
        start: the rate at step 0 if there is a warm-up, at least 0. Defaults to 0.0.

    Raises:
        ValueError: if an argument is out of range, or the cool-down begins before the warm-up ends.

    Example:

    >>> schedule = InverseSquareRoot(peak=1.0, warmup_steps=100)
    >>> [round(float(schedule(k)), 3) for k in (0, 50, 100, 400, 10_000)]
    [0.0, 0.5, 1.0, 0.5, 0.1]

    Reference: Vaswani et al., "Attention is all you need", NeurIPS 2017, https://arxiv.org/abs/1706.03762; Zhai et al.,
    "Scaling vision transformers", CVPR 2022, https://arxiv.org/abs/2106.04560, for the cool-down.
    """

    def __init__(
        self,
        peak: float,
        warmup_steps: int = 0,
        timescale: int | None = None,
        total_steps: int | None = None,
        cooldown_steps: int = 0,
        start: float = 0.0,
    ) -> None:
        self.peak = check_rate("peak", peak)
        self.warmup_steps = check_steps("warmup_steps", warmup_steps)
        self.timescale = check_steps("timescale", max(self.warmup_steps, 1) if timescale is None else timescale, 1)
        self.cooldown_steps = check_steps("cooldown_steps", cooldown_steps)
        if total_steps is not None:
            total_steps = check_steps("total_steps", total_steps, 1)
        elif self.cooldown_steps:
            raise ValueError(
                "`total_steps` must be given with `cooldown_steps`. "
                f"Received: total_steps=None, cooldown_steps={cooldown_steps}"
            )
        if self.cooldown_steps and total_steps is not None and total_steps - self.cooldown_steps < self.warmup_steps:
            raise ValueError(
                "`cooldown_steps` must begin after the warm-up. Received: "
                f"cooldown_steps={cooldown_steps}, total_steps={total_steps}, warmup_steps={warmup_steps}"
            )
        # Without a cool-down there is no end.
        self.total_steps = total_steps if self.cooldown_steps else None
        self.start = check_rate("start", start, zero=True)

    def __call__(self, step: Tensor) -> Tensor:
        """The learning rate at a step: float32."""
        ops = keras.ops
        step = as_step(step)
        passed = ops.maximum(since(step, self.warmup_steps), 0.0)
        rate = self.peak * ops.rsqrt(1.0 + passed / self.timescale)
        if self.total_steps is not None:
            rate = rate * (1.0 - share(step, self.total_steps - self.cooldown_steps, self.cooldown_steps))
        return warmed_up(step, rate, self.peak, self.warmup_steps, self.start)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "warmup_steps": self.warmup_steps,
            "timescale": self.timescale,
            "total_steps": self.total_steps,
            "cooldown_steps": self.cooldown_steps,
            "start": self.start,
        }
