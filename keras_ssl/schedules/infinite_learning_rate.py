"""A learning rate for training without a known end: it comes down to a constant, and is annealed on demand."""

import math
from typing import Any

import keras

from keras_ssl.schedules.steps import as_step, check_rate, check_steps, half_cosine, share, since, warmed_up
from keras_ssl.typing import Tensor

__all__ = ["InfiniteLearningRate"]

COOLDOWNS = ("cosine", "inverse_sqrt", "linear")


@keras.saving.register_keras_serializable(package="keras_ssl")
class InfiniteLearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate for a stream of data sets: warm-up, cool-down, a constant without end, and a branch to anneal.

    With W = `warmup_steps`, C = `cooldown_steps`, N = `total_steps`, and B = N - `anneal_steps`, where a branch begins:

        k < W:           start + (peak - start) * k / W
        W <= k < W + C:  constant + (peak - constant) * h(p),  p = (k - W) / C
        W + C <= k < B:  constant
        B <= k:          constant * (final / constant) ** q,  q = min((k - B) / (N - B), 1)

    The cool-down `h` falls from 1 to 0:

        "cosine":        (1 + cos(pi * p)) / 2
        "inverse_sqrt":  (g(p) - g(1)) / (1 - g(1)),  g(p) = 1 / sqrt(1 + curvature * p)
        "linear":        1 - p

    Without `anneal_steps` the rate is `constant` for ever. A model is then trained on one data set after another
    without warming up again, which would make it forget. To get a finished model at any time, save a checkpoint, train
    a copy with `branch(step, anneal_steps)`, and go on with the stream from the checkpoint. No value before step B
    depends on N. Steps are counted from 0; steps are batches.

    Args:
        peak: the highest learning rate, positive.
        constant: the rate of the constant phase, positive, at most `peak`.
        warmup_steps: steps of the warm-up. Defaults to 0.
        cooldown_steps: steps from `peak` down to `constant`; 0 only if both are equal. Defaults to 0.
        total_steps: step at which the annealing ends. Without `anneal_steps` it has no effect. Defaults to None.
        anneal_steps: steps of the annealing. Defaults to 0: none.
        start: the rate at step 0 if there is a warm-up, at least 0. Defaults to 0.0.
        final: the rate at the end of the annealing, positive, at most `constant`. The paper leaves it to the user.
            Defaults to None: 1% of `constant`.
        cooldown: "cosine", "inverse_sqrt" or "linear". Defaults to "cosine".
        curvature: how steeply the cool-down "inverse_sqrt" begins, positive. Defaults to 10.0.

    Raises:
        ValueError: if an argument is out of range, or the annealing begins before the cool-down ends.

    Example:

    >>> schedule = InfiniteLearningRate(1.0, 0.4, warmup_steps=10, cooldown_steps=20)
    >>> [round(float(schedule(k)), 3) for k in (0, 5, 10, 20, 30, 1_000_000)]
    [0.0, 0.5, 1.0, 0.7, 0.4, 0.4]
    >>> finish = schedule.branch(50, anneal_steps=10, final=0.004)
    >>> [round(float(finish(k)), 3) for k in (50, 55, 60, 70)]
    [0.4, 0.04, 0.004, 0.004]

    Reference: Singh et al., "Beyond cosine decay: on the effectiveness of infinite learning rate schedule for
    continual pre-training", CoLLAs 2025, https://arxiv.org/abs/2503.02844; Ibrahim et al., "Simple and scalable
    strategies to continually pre-train large language models", TMLR 2024, for the cool-downs.
    """

    def __init__(
        self,
        peak: float,
        constant: float,
        warmup_steps: int = 0,
        cooldown_steps: int = 0,
        total_steps: int | None = None,
        anneal_steps: int = 0,
        start: float = 0.0,
        final: float | None = None,
        cooldown: str = "cosine",
        curvature: float = 10.0,
    ) -> None:
        self.peak = check_rate("peak", peak)
        self.constant = check_rate("constant", constant)
        if self.constant > self.peak:
            raise ValueError(f"`constant` must be at most `peak`. Received: constant={constant}, peak={peak}")
        self.warmup_steps = check_steps("warmup_steps", warmup_steps)
        self.cooldown_steps = check_steps("cooldown_steps", cooldown_steps)
        if not self.cooldown_steps and self.constant < self.peak:
            raise ValueError(
                "`cooldown_steps` must be positive unless `constant` equals `peak`. "
                f"Received: cooldown_steps={cooldown_steps}, constant={constant}, peak={peak}"
            )
        self.anneal_steps = check_steps("anneal_steps", anneal_steps)
        if total_steps is not None:
            total_steps = check_steps("total_steps", total_steps, 1)
        elif self.anneal_steps:
            raise ValueError(
                "`total_steps` must be given with `anneal_steps`. "
                f"Received: total_steps=None, anneal_steps={anneal_steps}"
            )
        before = self.warmup_steps + self.cooldown_steps
        if self.anneal_steps and total_steps is not None and total_steps - self.anneal_steps < before:
            raise ValueError(
                f"`anneal_steps` must begin at step {before} or later, after warm-up and cool-down. "
                f"Received: anneal_steps={anneal_steps}, total_steps={total_steps}"
            )
        # Without annealing there is no end, and the length of one run says nothing.
        self.total_steps = total_steps if self.anneal_steps else None
        self.start = check_rate("start", start, zero=True)
        self.final = 0.01 * self.constant if final is None else check_rate("final", final)
        if self.final > self.constant:
            raise ValueError(f"`final` must be at most `constant`. Received: final={final}, constant={constant}")
        if cooldown not in COOLDOWNS:
            raise ValueError(f"`cooldown` must be one of {', '.join(COOLDOWNS)}. Received: cooldown={cooldown!r}")
        self.cooldown = cooldown
        self.curvature = check_rate("curvature", curvature)

    def __call__(self, step: Tensor) -> Tensor:
        """The learning rate at a step: float32."""
        ops = keras.ops
        step = as_step(step)
        cooled = self.warmup_steps + self.cooldown_steps
        rate = self.constant * ops.ones_like(since(step, 0))
        if self.cooldown_steps:
            falling = self._cool(share(step, self.warmup_steps, self.cooldown_steps))
            rate = ops.where(step < cooled, falling, rate)
        rate = warmed_up(step, rate, self.peak, self.warmup_steps, self.start)
        if self.total_steps is not None:
            begin = self.total_steps - self.anneal_steps
            progress = share(step, begin, self.anneal_steps)
            annealed = self.constant * ops.exp(progress * math.log(self.final / self.constant))
            annealed = ops.where(progress < 1.0, annealed, self.final)  # exp rounds
            rate = ops.where(step < begin, rate, annealed)
        return rate

    def _cool(self, progress: Tensor) -> Tensor:
        if self.cooldown == "cosine":
            return half_cosine(progress, self.peak, self.constant)
        if self.cooldown == "linear":
            return self.peak + (self.constant - self.peak) * progress
        low = 1.0 / math.sqrt(1.0 + self.curvature)
        shape = (keras.ops.rsqrt(1.0 + self.curvature * progress) - low) / (1.0 - low)
        return self.constant + (self.peak - self.constant) * shape

    def branch(self, step: int, anneal_steps: int, final: float | None = None) -> "InfiniteLearningRate":
        """This schedule, but annealed from a step on: for a copy of the model saved at that step.

        Args:
            step: the step of the checkpoint, not before the constant phase.
            anneal_steps: steps of the annealing, positive.
            final: the last rate. Defaults to None: that of this schedule.

        Returns:
            A schedule that equals this one before and at `step`.

        Raises:
            ValueError: if an argument is out of range.
        """
        step = check_steps("step", step)
        anneal_steps = check_steps("anneal_steps", anneal_steps, 1)
        config = {**self.get_config(), "total_steps": step + anneal_steps, "anneal_steps": anneal_steps}
        return type(self)(**{**config, "final": self.final if final is None else final})

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "constant": self.constant,
            "warmup_steps": self.warmup_steps,
            "cooldown_steps": self.cooldown_steps,
            "total_steps": self.total_steps,
            "anneal_steps": self.anneal_steps,
            "start": self.start,
            "final": self.final,
            "cooldown": self.cooldown,
            "curvature": self.curvature,
        }
