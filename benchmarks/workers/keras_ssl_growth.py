"""The training step at several sizes: how long each takes, and how many operations it holds."""

import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import keras_ssl

_ROUND_SECONDS = 0.2  # of steps at one size, at least: a step alone may be too short for the clock


def steps(points: list[dict[str, Any]]) -> tuple[Callable[[], Any], int]:
    """A round trains at each size in turn, so that what else the machine does hits all of them.

    Args:
        points: for each size the `objective`, its `arguments`, the number of `views` and the `batch_size`.

    Returns:
        The round, which says `seconds_per_image` and `operations_per_image` at each size; and 1.
    """
    sizes = [point["batch_size"] for point in points]
    made = [_step(**point) for point in points]
    repeats = [_repeats(step) for step, _ in made]
    operations = [count / size for (_, count), size in zip(made, sizes, strict=True)]

    def run() -> dict[str, list[float]]:
        seconds = [_seconds(step, often) / size for (step, _), often, size in zip(made, repeats, sizes, strict=True)]
        return {"seconds_per_image": seconds, "operations_per_image": operations}

    return run, 1


def _step(
    objective: str, arguments: dict[str, Any], views: int, batch_size: int, pixels: int = 16
) -> tuple[Callable[[], Any], float]:
    """A training step that has run once, and the floating operations of its products and convolutions."""
    keras.utils.set_random_seed(0)
    encoder = keras_ssl.encoders.ConvNet(widths=(8, 16))
    model = getattr(keras_ssl, objective)(encoder, **arguments)
    model.compile(keras.optimizers.SGD(1e-3), jit_compile=False)
    draws = np.random.default_rng(0)
    made = tuple(draws.random((batch_size, pixels, pixels, 3), "float32") for _ in range(views))
    batches = iter(tf.data.Dataset.from_tensors((made,)).repeat())
    model.make_train_function()

    def step() -> None:
        float(model.train_function(batches)["loss"])

    step()
    return step, _operations(model, batches.element_spec)


def _operations(model: keras.Model, spec: Any) -> float:
    profiler = tf.compat.v1.profiler
    options = profiler.ProfileOptionBuilder(profiler.ProfileOptionBuilder.float_operation()).with_empty_output()
    graph = tf.function(model.train_step, autograph=False).get_concrete_function(spec).graph
    return float(profiler.profile(graph=graph, options=options.build()).total_float_ops)


def _seconds(step: Callable[[], Any], repeats: int) -> float:
    """Of one step."""
    start = time.perf_counter()
    for _ in range(repeats):
        step()
    return (time.perf_counter() - start) / repeats


def _repeats(step: Callable[[], Any]) -> int:
    return max(1, round(_ROUND_SECONDS / _seconds(step, 1)))
