"""What weights by name must be, as arrays."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_ssl.check_numbers import check_numbers


def weight_arrays(argument: str, weights: Any) -> dict[str, np.ndarray]:
    """Weights by name as arrays, or an error that names the argument."""
    if not isinstance(weights, Mapping) or not all(isinstance(name, str) for name in weights):
        raise ValueError(
            f"`{argument}` must be weights by name, such as `read_weights` returns. "
            f"Received: {argument} of type {type(weights).__name__}"
        )
    arrays = {}
    for name, value in weights.items():
        try:
            arrays[name] = np.asarray(value)
        except (TypeError, ValueError):
            raise ValueError(
                f"`{argument}` must hold arrays. Received: {argument}[{name!r}] of type {type(value).__name__}"
            ) from None
    return arrays


def is_float(array: np.ndarray) -> bool:
    """Whether an array holds floats; NumPy does not count bfloat16 among them."""
    return "float" in array.dtype.name


def check_built(argument: str, model: Any) -> None:
    """Raises where something is no built layer or model."""
    if not isinstance(model, keras.layers.Layer) or not model.built:
        raise ValueError(f"`{argument}` must be a built layer or model. Received: {argument}={model!r}")


def check_samples(argument: str, model: keras.Model, value: Any) -> np.ndarray:
    """Samples for a model as an array, or an error that names the argument."""
    samples = check_numbers(argument, value)
    declared: Any = getattr(model, "inputs", None) or ()
    shape = tuple(declared[0].shape) if len(declared) == 1 else None
    if samples.ndim == 0 or (shape is not None and not _fits(samples.shape, shape)):
        wanted = "..." if shape is None else ", ".join(map(str, shape[1:]))
        raise ValueError(
            f"`{argument}` must be samples as the model takes them, [N, {wanted}]. Received: "
            f"{argument}.shape={samples.shape}"
        )
    return samples


def _fits(given: tuple[int, ...], wanted: tuple[Any, ...]) -> bool:
    """Whether a shape is what a model takes; Keras adds and drops a last axis of 1 by itself."""
    if len(given) == len(wanted) + 1 and given[-1] == 1:
        given = given[:-1]
    if len(given) + 1 == len(wanted) and wanted[-1] == 1:
        given = (*given, 1)
    return len(given) == len(wanted) and all(b is None or a == b for a, b in zip(given, wanted, strict=True))
