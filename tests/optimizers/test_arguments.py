"""What all optimizers of the library refuse, each of them: the test finds them by itself."""

import inspect

import keras
import numpy as np
import pytest

import keras_ssl.optimizers as optimizers
from keras_ssl.optimizers.arguments import check_interval, check_optimizer_arguments

CLASSES = [
    kind
    for kind in (getattr(optimizers, name) for name in optimizers.__all__)
    if inspect.isclass(kind) and issubclass(kind, keras.optimizers.Optimizer)
]
BAD = [
    *[("learning_rate", value) for value in (float("nan"), float("inf"), -0.1, "fast", None, True)],
    *[
        (name, value)
        for name in ("clipnorm", "clipvalue", "global_clipnorm", "loss_scale_factor")
        for value in (float("nan"), float("inf"), 0.0, -1.0)
    ],
    *[("weight_decay", value) for value in (float("nan"), float("inf"), -1.0)],
    *[("ema_momentum", value) for value in (float("nan"), 1.5, -0.1)],
    *[("gradient_accumulation_steps", value) for value in (float("nan"), float("inf"), 1, 2.5)],
    *[("ema_overwrite_frequency", value) for value in (float("nan"), 0)],
]


def test_there_are_optimizers_to_test():
    assert {"LARS", "DCTLowRankAdamW", "FRUGAL", "CO2"} <= {kind.__name__ for kind in CLASSES}


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name, value", BAD)
def test_every_optimizer_refuses(kind, name, value):
    with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
        kind(**{name: value})


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_optimizer_refuses_bad_numbers_in_its_own_arguments(kind):
    own = {
        name: parameter.default
        for name, parameter in inspect.signature(kind.__init__).parameters.items()
        if isinstance(parameter.default, int | float) and not isinstance(parameter.default, bool)
    }
    for name in own:
        for value in (float("nan"), float("inf"), float("-inf"), -1.0):
            with pytest.raises(ValueError, match=f"`{name}`.*Received: {name}="):
                kind(**{name: value})


def test_what_is_taken():
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 10)
    assert check_optimizer_arguments(schedule, {}) is schedule
    assert check_optimizer_arguments(np.float32(0.5), {"clipnorm": 1, "weight_decay": 0}) == 0.5
    assert check_optimizer_arguments(0, {"gradient_accumulation_steps": 2, "clipvalue": None}) == 0.0
    assert check_interval("x", 1, "[0, 1]") == 1.0
    for value, interval in ((1, "[0, 1)"), (0, "(0, 1]"), (float("inf"), "[0, inf)")):
        with pytest.raises(ValueError, match=r"^`x` must (lie in|be a finite number of) .* Received: x="):
            check_interval("x", value, interval)
