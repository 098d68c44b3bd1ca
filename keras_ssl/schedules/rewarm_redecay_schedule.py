"""Learning rate of continual pre-training: for each data set, warm up again and decay again."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.schedules.steps import as_step, check_rate, check_steps, half_cosine, share, warmed_up
from keras_ssl.typing import Tensor

__all__ = ["RewarmRedecaySchedule"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class RewarmRedecaySchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate of a stream of data sets of known lengths: a linear warm-up and a cosine for each.

    Data set i begins at step b_i and takes N_i = `phase_steps[i]` steps, of which W_i warm up:

        b_i <= k < b_i + W_i:        low + (peak_i - low) * (k - b_i) / W_i,  low = start for i = 0, else final
        b_i + W_i <= k < b_i + N_i:  final + (peak_i - final) * (1 + cos(pi * p)) / 2,
                                     p = (k - b_i - W_i) / (N_i - W_i)
        after the last:              final

    So the rate is `final` at each join and `peak_i` after each warm-up. One data set gives `WarmupCosine`. Old data are
    mixed in by `ReplayMixture`. Steps are counted from 0; steps are batches.

    Args:
        peak: the rate after each warm-up, positive: one number, or one for each data set.
        phase_steps: steps on each data set, positive integers.
        warmup_steps: steps of each warm-up, less than the steps on its data set: one number, or one for each data set.
            Without a warm-up the rate jumps to `peak` at the join. Defaults to 0.
        start: the rate at step 0 if there is a warm-up, at least 0. Defaults to 0.0.
        final: the rate at the joins and at the end, from 0 to the lowest `peak`. Defaults to 0.0.
        total_steps: the sum of `phase_steps`, as a check. Defaults to None: not checked.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> schedule = RewarmRedecaySchedule(1.0, phase_steps=[30, 50], warmup_steps=10, final=0.1)
    >>> [round(float(schedule(k)), 3) for k in (0, 10, 20, 30, 40, 60, 80, 90)]
    [0.0, 1.0, 0.55, 0.1, 1.0, 0.55, 0.1, 0.1]

    Reference: Ibrahim et al., "Simple and scalable strategies to continually pre-train large language models", TMLR
    2024, https://arxiv.org/abs/2403.08763.
    """

    def __init__(
        self,
        peak: float | Sequence[float],
        phase_steps: Sequence[int],
        warmup_steps: int | Sequence[int] = 0,
        start: float = 0.0,
        final: float = 0.0,
        total_steps: int | None = None,
    ) -> None:
        if not isinstance(phase_steps, Sequence) or isinstance(phase_steps, str) or not phase_steps:
            raise ValueError(f"`phase_steps` must be a list of integers. Received: phase_steps={phase_steps!r}")
        self.phase_steps = [check_steps("phase_steps", steps, 1) for steps in phase_steps]
        check_steps("phase_steps", sum(self.phase_steps), 1)
        self.peaks = [check_rate("peak", value) for value in _each("peak", peak, len(self.phase_steps))]
        warmups = _each("warmup_steps", warmup_steps, len(self.phase_steps))
        self.warmup_steps = [check_steps("warmup_steps", steps) for steps in warmups]
        if any(warmup >= steps for warmup, steps in zip(self.warmup_steps, self.phase_steps, strict=True)):
            raise ValueError(
                "`warmup_steps` must be less than the steps on the data set. "
                f"Received: warmup_steps={warmup_steps}, phase_steps={phase_steps}"
            )
        self.start = check_rate("start", start, zero=True)
        self.final = check_rate("final", final, zero=True)
        if self.final > min(self.peaks):
            raise ValueError(f"`final` must be at most `peak`. Received: final={final}, peak={peak}")
        self.total_steps = sum(self.phase_steps)
        if total_steps is not None and total_steps != self.total_steps:
            raise ValueError(
                f"`total_steps` must be the sum of `phase_steps`, {self.total_steps}. "
                f"Received: total_steps={total_steps}"
            )

    def __call__(self, step: Tensor) -> Tensor:
        """The learning rate at a step: float32."""
        step = as_step(step)
        begin, low, rate = 0, self.start, None
        for peak, steps, warmup in zip(self.peaks, self.phase_steps, self.warmup_steps, strict=True):
            cosine = half_cosine(share(step, begin + warmup, steps - warmup), peak, self.final)
            phase = warmed_up(step, cosine, peak, warmup, low, begin)
            rate = phase if rate is None else keras.ops.where(step < begin, rate, phase)
            begin, low = begin + steps, self.final
        return rate

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peaks,
            "phase_steps": self.phase_steps,
            "warmup_steps": self.warmup_steps,
            "start": self.start,
            "final": self.final,
            "total_steps": self.total_steps,
        }


def _each(name: str, value: Any, count: int) -> list[Any]:
    """A value for each data set."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"`{name}` must be one number, or one for each of {count} data sets. Received: {name}={value!r}"
        )
    return list(value)
