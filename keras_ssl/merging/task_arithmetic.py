"""Merging by sums of what fine-tuning changed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.check_numbers import check_numbers
from keras_ssl.weights.combine_weights import check_alike, combine_weights
from keras_ssl.weights.read_weights import read_weights

__all__ = ["task_arithmetic"]

Weights = Mapping[str, np.ndarray]


def task_arithmetic(
    start: keras.Model | Weights,
    experts: Sequence[keras.Model | Weights],
    coefficients: float | Sequence[float] | Mapping[str, Sequence[float]] = 0.3,
) -> dict[str, np.ndarray]:
    """Adds to the weights of a pretrained model what several fine-tunings of it changed, each with a coefficient.

    `theta = theta_0 + sum_k c_k (theta_k - theta_0)`, in float64. Weights that are no floats are those of `start`. The
    moving variances of batch normalization stay at least 0; measure them anew by `recalibrate_batch_norm`.

    Args:
        start: the pretrained model, or its weights by name.
        experts: models that were fine-tuned from it, or their weights.
        coefficients: one number for all experts, one for each, or for each name of a weight one for each expert.
            Defaults to 0.3.

    Returns:
        Weights by name, for `keras_ssl.weights.assign_weights`.

    Raises:
        ValueError: if the experts' weights have other names or shapes than those of `start`, there is none, or
            coefficients are not finite or of another number.

    Example:

    >>> start, a, b = ({"kernel": np.array([value])} for value in (1.0, 2.0, 4.0))
    >>> task_arithmetic(start, [a, b], 0.5)["kernel"].tolist()
    [3.0]

    Reference: Ilharco et al., "Editing models with task arithmetic", ICLR 2023, https://arxiv.org/abs/2212.04089.
    """
    first, *others = start_and_experts("start", start, experts)
    if isinstance(coefficients, Mapping):
        if coefficients.keys() != first.keys():
            raise ValueError(
                f"`coefficients` must have the names of the weights. Received: {len(coefficients)} names for "
                f"{len(first)} weights"
            )
        by_name = {name: _checked(numbers, len(others)) for name, numbers in coefficients.items()}
    else:
        by_name = dict.fromkeys(first, _checked(coefficients, len(others)))

    def combined(name: str, arrays: Sequence[np.ndarray]) -> np.ndarray:
        c = by_name[name]
        # Not by differences: a coefficient of 1 alone gives the expert's own bits, 0 those of the start.
        total = (1.0 - c.sum()) * arrays[0].astype("float64")
        for number, array in zip(c, arrays[1:], strict=True):
            total += number * array
        return np.maximum(total, 0.0) if name.endswith("moving_variance") else total

    return combine_weights([first, *others], combined)


def start_and_experts(argument: str, start: Any, experts: Any) -> list[dict[str, np.ndarray]]:
    """The weights of a model that goes by `argument`, and of the `experts`, of one structure."""
    first = sets_of(argument, [start])
    others = sets_of("experts", experts)
    check_alike("experts", [*first, *others])
    return [*first, *others]


def sets_of(argument: str, models: Any) -> list[dict[str, np.ndarray]]:
    """The weights of models, or the weights themselves, of one structure."""
    if not isinstance(models, Iterable):
        raise ValueError(f"`{argument}` must be a list of models. Received: {argument} of type {type(models).__name__}")
    given = list(models)
    if not given:
        raise ValueError(f"`{argument}` must hold a model or more. Received: {argument}=[]")
    return check_alike(
        argument, [model if isinstance(model, Mapping) else read_weights(_built(argument, model)) for model in given]
    )


def _built(argument: str, model: Any) -> keras.Model:
    if not isinstance(model, keras.layers.Layer) or not model.built:
        raise ValueError(f"`{argument}` must be built Keras models or weights by name. Received: {model!r}")
    return model


def _checked(numbers: float | Sequence[float], count: int) -> np.ndarray:
    values = check_numbers("coefficients", numbers).astype("float64")
    if values.ndim == 0:
        values = np.full(count, float(values))
    if values.shape != (count,) or not np.isfinite(values).all():
        raise ValueError(
            f"`coefficients` must hold a finite number for each of {count} experts. Received: coefficients={numbers!r}"
        )
    return values
