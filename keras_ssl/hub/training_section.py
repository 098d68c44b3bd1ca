"""The settings of a recipe that belong to the run as a whole."""

from collections.abc import Mapping
from typing import Any

import keras

TRAINING_DEFAULTS: dict[str, Any] = {
    "batch_size": 256,
    "epochs": 100,
    "seed": 0,
    "precision": "float32",
    "jit_compile": "auto",
}


def check_training(sections: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises, naming the key, where a value of `training` is out of range or `schedule` does not fit it."""
    training = sections["training"]
    for key, least in (("batch_size", 2), ("epochs", 1), ("seed", 0)):
        value = training[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ValueError(
                f"`training.{key}` must be an integer of at least {least}. Received: training.{key}={value!r}"
            )
    if training["jit_compile"] not in (True, False, "auto"):
        raise ValueError(
            '`training.jit_compile` must be true, false or "auto". '
            f"Received: training.jit_compile={training['jit_compile']!r}"
        )
    try:
        keras.dtype_policies.DTypePolicy(training["precision"])
    except (ValueError, TypeError) as error:
        raise ValueError(
            '`training.precision` must be a Keras dtype policy, such as "float32" or "mixed_bfloat16". '
            f"Received: training.precision={training['precision']!r}"
        ) from error
    if "schedule" not in sections:
        return
    warmup = sections["schedule"].get("warmup_epochs", 0)
    if isinstance(warmup, bool) or not isinstance(warmup, int | float) or not 0 <= warmup < training["epochs"]:
        raise ValueError(
            "`schedule.warmup_epochs` must be a number from 0 to less than `training.epochs`. Received: "
            f"schedule.warmup_epochs={warmup!r}, training.epochs={training['epochs']}"
        )
    rate = sections["optimizer"].get("learning_rate")
    if isinstance(rate, bool) or not isinstance(rate, int | float):
        raise ValueError(
            "A schedule rises to `optimizer.learning_rate`, which must be a number. "
            f"Received: optimizer.learning_rate={rate!r}"
        )
