"""A schedule that goes over into a line down to zero."""

from typing import Any

import keras

from keras_ssl.schedules.steps import as_step, check_rate, check_steps, share
from keras_ssl.typing import Tensor

__all__ = ["LateAnneal"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class LateAnneal(keras.optimizers.schedules.LearningRateSchedule):
    """Learning rate of another schedule, and from a step on a line to `final`.

        k <= switch_step:  base(k)
        otherwise:         base(switch_step) * (1 - p) + final * p,
                           p = min((k - switch_step) / (total_steps - switch_step), 1)

    It has no jump at the join, whatever the other schedule is. `LateStageCurriculum` uses it. Steps are counted from 0.

    Args:
        base: a learning-rate schedule, or a constant rate.
        switch_step: the last step that has the rate of `base`, at least 0.
        total_steps: step at which the rate is `final`, more than `switch_step`.
        final: the last rate, at least 0. Defaults to 0.0.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> schedule = LateAnneal(0.4, switch_step=100, total_steps=200)
    >>> [round(float(schedule(k)), 3) for k in (0, 100, 150, 200, 300)]
    [0.4, 0.4, 0.2, 0.0, 0.0]

    Reference: OLMo team, "2 OLMo 2 furious", COLM 2025, https://arxiv.org/abs/2501.00656.
    """

    def __init__(self, base: Any, switch_step: int, total_steps: int, final: float = 0.0) -> None:
        if isinstance(base, dict):
            base = keras.saving.deserialize_keras_object(base)
        scheduled = isinstance(base, keras.optimizers.schedules.LearningRateSchedule)
        self.base = base if scheduled else check_rate("base", base)
        self.switch_step = check_steps("switch_step", switch_step)
        self.total_steps = check_steps("total_steps", total_steps, 1)
        if self.switch_step >= self.total_steps:
            raise ValueError(
                "`switch_step` must be less than `total_steps`. "
                f"Received: switch_step={switch_step}, total_steps={total_steps}"
            )
        self.final = check_rate("final", final, zero=True)

    def __call__(self, step: Tensor) -> Tensor:
        """The learning rate at a step: float32."""
        ops = keras.ops
        step = as_step(step)
        progress = share(step, self.switch_step, self.total_steps - self.switch_step)
        # After the switch the base is asked for that one step, so that it holds its rate.
        held = ops.minimum(step, self.switch_step)
        rate = ops.cast(self.base(held), "float32") if callable(self.base) else self.base
        return rate * (1.0 - progress) + self.final * progress

    def get_config(self) -> dict[str, Any]:
        base = keras.saving.serialize_keras_object(self.base) if callable(self.base) else self.base
        return {
            "base": base,
            "switch_step": self.switch_step,
            "total_steps": self.total_steps,
            "final": self.final,
        }
