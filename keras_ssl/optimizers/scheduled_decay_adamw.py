"""AdamW whose weight decay follows a schedule, as the recipes of DINO and its relatives have it."""

import math
from typing import Any

import keras

from keras_ssl.optimizers.arguments import check_interval, check_optimizer_arguments
from keras_ssl.typing import Tensor

__all__ = ["ScheduledDecayAdamW"]


@keras.saving.register_keras_serializable(package="keras_ssl")
class ScheduledDecayAdamW(keras.optimizers.AdamW):
    """AdamW with a weight decay by step.

    Keras' own AdamW takes one number. Self-distillation raises the decay while the learning rate falls, in DINO by half
    a cosine from 0.04 to 0.4. Each step shrinks a weight by `learning_rate * weight_decay` of itself, both of this
    step, and then moves it as Adam does. A schedule that is constant gives Keras' AdamW.

    What is excluded from decay is chosen as in Keras, by `exclude_from_weight_decay` before the first step. With
    `gradient_accumulation_steps` Keras counts micro-batches.

    Args:
        learning_rate: float, schedule or callable. Defaults to 0.001.
        weight_decay: a number of at least 0, or a `LearningRateSchedule` of the step, such as `WarmupCosine(peak=0.04,
            total_steps=steps, final=0.4)`, which rises. Defaults to 0.04.
        beta_1, beta_2: decay of the moments, in [0, 1). Default to 0.9 and 0.999.
        epsilon: positive. Defaults to 1e-7, as in Keras.
        name: of the optimizer. Defaults to "scheduled_decay_adamw".
        **kwargs: `clipnorm`, `use_ema` and so on: see `keras.optimizers.Optimizer`.

    Raises:
        ValueError: if an argument is NaN, infinite or out of range.

    Example:

    >>> rising = keras_ssl.schedules.WarmupCosine(peak=0.04, total_steps=100, final=0.4)
    >>> optimizer = ScheduledDecayAdamW(1e-3, weight_decay=rising)
    >>> round(float(optimizer.weight_decay), 4)  # of the next step
    0.04

    References: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, arXiv 1711.05101; Caron et
    al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021, arXiv 2104.14294, for the schedule.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: Any = 0.04,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        name: str = "scheduled_decay_adamw",
        **kwargs: Any,
    ) -> None:
        learning_rate = check_optimizer_arguments(learning_rate, kwargs)
        if not isinstance(weight_decay, keras.optimizers.schedules.LearningRateSchedule):
            weight_decay = check_interval("weight_decay", weight_decay, "[0, inf)")
        elif not 0.0 <= (first := float(weight_decay(0))) < math.inf:
            raise ValueError(f"`weight_decay` must begin at 0 or more. Received: weight_decay(0)={first}")
        beta_1, beta_2 = check_interval("beta_1", beta_1, "[0, 1)"), check_interval("beta_2", beta_2, "[0, 1)")
        epsilon = check_interval("epsilon", epsilon, "(0, inf)")
        super().__init__(
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            name=name,
            **kwargs,
        )

    @property
    def weight_decay(self) -> float | Tensor:
        """That of the present step, where the base class reads it."""
        decay = self._decay
        return decay(self._iterations) if callable(decay) else decay

    @weight_decay.setter
    def weight_decay(self, value: Any) -> None:
        self._decay = value

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        config["weight_decay"] = (
            keras.optimizers.schedules.serialize(self._decay) if callable(self._decay) else self._decay
        )
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "ScheduledDecayAdamW":
        config = dict(config)
        if isinstance(config.get("weight_decay"), dict):
            config["weight_decay"] = keras.optimizers.schedules.deserialize(
                config["weight_decay"], custom_objects=custom_objects
            )
        return super().from_config(config, custom_objects)
