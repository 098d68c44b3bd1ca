"""What every optimizer refuses: numbers that are not numbers, infinite, or out of range."""

import math
from collections.abc import Mapping
from typing import Any

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import check_integer


def check_interval(name: str, value: Any, interval: str) -> float:
    """`value` as a float, or an error that names the argument when it lies outside of an interval.

    Args:
        name: of the argument.
        value: a real number. NaN, booleans and everything that is no number are refused, infinity by "inf)".
        interval: such as "[0, 1)", "(0, inf)".

    Raises:
        ValueError: if `value` is no number of the interval.

    Example:

    >>> check_interval("momentum", 0.9, "[0, 1)")
    0.9
    """
    low, high = (float(part) for part in interval[1:-1].split(","))
    return check_number(name, value, low, high, above=interval[0] == "(", below=interval[-1] == ")")


def check_optimizer_arguments(learning_rate: Any, options: Mapping[str, Any]) -> Any:
    """Checks what all optimizers have in common: the learning rate and the options of `keras.optimizers.Optimizer`.

    Keras itself takes a learning rate or a clipping norm of NaN, and trains to NaN.

    Args:
        learning_rate: a number of at least 0, a schedule, or a callable.
        options: keyword arguments of `keras.optimizers.Optimizer`, those that are there.

    Returns:
        The learning rate in the form in which Keras takes it.

    Raises:
        ValueError: if one of them is NaN, infinite or out of range.

    Example:

    >>> check_optimizer_arguments(1, {"clipnorm": 1.0})
    1.0
    """
    for name in ("clipnorm", "clipvalue", "global_clipnorm", "loss_scale_factor"):
        if options.get(name) is not None:
            check_interval(name, options[name], "(0, inf)")
    if options.get("weight_decay") is not None:
        check_interval("weight_decay", options["weight_decay"], "[0, inf)")
    if options.get("ema_momentum") is not None:
        check_interval("ema_momentum", options["ema_momentum"], "[0, 1]")
    for name, lowest in (("gradient_accumulation_steps", 2), ("ema_overwrite_frequency", 1)):
        if options.get(name) is not None:
            _check_steps(name, options[name], lowest)
    if isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule) or callable(learning_rate):
        return learning_rate
    return check_interval("learning_rate", learning_rate, "[0, inf)")


def _check_steps(name: str, value: Any, lowest: int) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"`{name}` must be an integer of at least {lowest}. Received: {name}={value}")
    check_integer(name, value, lowest)
