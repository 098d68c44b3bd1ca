"""The learning rate of runs whose length is decided late: warm-up, a constant, and a short decay."""

import math
from typing import Any

import keras

from keras_ssl.schedules.steps import as_step, check_rate, check_steps, half_cosine, share, since, warmed_up
from keras_ssl.typing import Tensor

__all__ = ["WarmupStableDecay"]

DECAYS = ("linear", "cosine", "sqrt", "geometric")


@keras.saving.register_keras_serializable(package="keras_ssl")
class WarmupStableDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate by step: a linear warm-up, a constant, and a decay over the last steps (WSD, or trapezoid).

        k < warmup_steps:                 start + (peak - start) * k / warmup_steps
        k < total_steps - decay_steps:    peak
        otherwise, with p = min((k - total_steps + decay_steps) / decay_steps, 1):
            "linear":     final + (peak - final) * (1 - p)
            "cosine":     final + (peak - final) * (1 + cos(pi * p)) / 2
            "sqrt":       final + (peak - final) * (1 - sqrt(p))
            "geometric":  peak * (final / peak) ** p

    No value before the decay depends on `total_steps`, so a run is prolonged from a checkpoint of the constant phase.
    `InfiniteLearningRate` with `constant=peak` is this schedule with the geometric decay. Steps are counted from 0;
    steps are batches.

    Args:
        peak: the highest learning rate, positive.
        total_steps: number of steps after which the rate is `final`, positive.
        warmup_steps: steps of the warm-up. Defaults to 0.
        decay_steps: steps of the decay, positive. Defaults to None: a tenth of `total_steps`, at least 1.
        start: the rate at step 0 if there is a warm-up, at least 0. Defaults to 0.0.
        final: the rate at `total_steps` and after, from 0 to `peak`; positive for a geometric decay. Defaults to 0.0.
        decay: "linear", "cosine", "sqrt" or "geometric". Defaults to "linear".

    Raises:
        ValueError: if an argument is out of range, or warm-up and decay take more than `total_steps`.

    Example:

    >>> schedule = WarmupStableDecay(peak=1.0, total_steps=100, warmup_steps=10, decay_steps=20)
    >>> [round(float(schedule(k)), 3) for k in (0, 5, 10, 80, 90, 100)]
    [0.0, 0.5, 1.0, 1.0, 0.5, 0.0]

    Reference: Hu et al., "MiniCPM: unveiling the potential of small language models with scalable training strategies",
    COLM 2024, https://arxiv.org/abs/2404.06395; Hägele et al., "Scaling laws and compute-optimal training beyond fixed
    training durations", NeurIPS 2024, https://arxiv.org/abs/2405.18392, for the decay "sqrt".
    """

    def __init__(
        self,
        peak: float,
        total_steps: int,
        warmup_steps: int = 0,
        decay_steps: int | None = None,
        start: float = 0.0,
        final: float = 0.0,
        decay: str = "linear",
    ) -> None:
        self.peak = check_rate("peak", peak)
        self.total_steps = check_steps("total_steps", total_steps, 1)
        self.warmup_steps = check_steps("warmup_steps", warmup_steps)
        tenth = max(1, round(0.1 * self.total_steps))
        self.decay_steps = tenth if decay_steps is None else check_steps("decay_steps", decay_steps, 1)
        if self.warmup_steps + self.decay_steps > self.total_steps:
            raise ValueError(
                "`warmup_steps` and `decay_steps` must together be at most `total_steps`. "
                f"Received: warmup_steps={warmup_steps}, decay_steps={self.decay_steps}, total_steps={total_steps}"
            )
        if decay not in DECAYS:
            raise ValueError(f"`decay` must be one of {', '.join(DECAYS)}. Received: decay={decay!r}")
        self.decay = decay
        self.start = check_rate("start", start, zero=True)
        self.final = check_rate("final", final, zero=decay != "geometric")
        if self.final > self.peak:
            raise ValueError(f"`final` must be at most `peak`. Received: final={final}, peak={peak}")

    def __call__(self, step: Tensor) -> Tensor:
        """The learning rate at a step: float32."""
        ops = keras.ops
        step = as_step(step)
        begin = self.total_steps - self.decay_steps
        rate = ops.where(
            step < begin, self.peak * ops.ones_like(since(step, 0)), self._fall(share(step, begin, self.decay_steps))
        )
        return warmed_up(step, rate, self.peak, self.warmup_steps, self.start)

    def _fall(self, progress: Tensor) -> Tensor:
        ops = keras.ops
        if self.decay == "cosine":
            return half_cosine(progress, self.peak, self.final)
        if self.decay == "geometric":
            rate = self.peak * ops.exp(progress * math.log(self.final / self.peak))
            return ops.where(progress < 1.0, rate, self.final)  # exp rounds
        left = 1.0 - (ops.sqrt(progress) if self.decay == "sqrt" else progress)
        return self.final + (self.peak - self.final) * left

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "decay_steps": self.decay_steps,
            "start": self.start,
            "final": self.final,
            "decay": self.decay,
        }
