"""Arrays into the weights of a model, all or none."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_ssl.checkpoints.weight_problems import weight_problems
from keras_ssl.weights.arrays import is_float, weight_arrays
from keras_ssl.weights.named_weights import named_weights

__all__ = ["assign_weights"]


def assign_weights(model: keras.layers.Layer, values: Mapping[str, np.ndarray], partial: bool = False) -> None:
    """Gives the weights of a model other values, by the names of `named_weights`; where one does not fit, none.

    Args:
        model: a built `keras.Model` or layer.
        values: arrays by name, such as `read_weights` returns.
        partial: whether weights that `values` lacks stay as they are. Defaults to False: they are an error.

    Raises:
        ValueError: if the model is not built; or names are missing or not the model's, or arrays have another shape,
            another kind of numbers, NaN or numbers beyond the range of a weight's type, which the message names.

    Example:

    >>> layer = keras.layers.Dense(1)
    >>> layer.build((None, 2))
    >>> assign_weights(layer, {"kernel": np.array([[2.0], [3.0]]), "bias": np.array([1.0])})
    >>> float(layer(np.array([[1.0, 1.0]]))[0, 0])
    6.0
    """
    variables = named_weights(model)
    arrays = weight_arrays("values", values)
    if partial:
        variables = {name: variable for name, variable in variables.items() if name in arrays}
    problems = misfits(variables, arrays)
    if problems:
        raise ValueError(f"`values` must be weights of the model. Received: model={model.name!r}; {problems}")
    for name, variable in variables.items():
        variable.assign(arrays[name])


def misfits(variables: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """What keeps arrays from being the values of variables, by name; "" where nothing does."""
    shapes = {
        name: f"{name} {tuple(arrays[name].shape)} instead of {tuple(variables[name].shape)}"
        for name in variables.keys() & arrays.keys()
        if tuple(arrays[name].shape) != tuple(variables[name].shape)
    }
    return weight_problems(
        {
            "missing": sorted(variables.keys() - arrays.keys()),
            "not of the model": sorted(arrays.keys() - variables.keys()),
            "of another shape": [shapes[name] for name in sorted(shapes)],
            **_unfit(variables, arrays),
        }
    )


def _unfit(variables: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> dict[str, list[str]]:
    """Arrays of another kind of numbers than their variables, and such whose numbers a variable cannot hold."""
    kinds, spoilt, outside = [], [], []
    for name in sorted(variables.keys() & arrays.keys()):
        wanted = keras.backend.standardize_dtype(variables[name].dtype)
        array = arrays[name]
        if is_float(array) != ("float" in wanted) or not (
            is_float(array) or array.dtype.kind in ("b" if wanted == "bool" else "iu")
        ):
            kinds.append(f"{name} {array.dtype} instead of {wanted}")
        elif is_float(array) and np.isnan(array).any():
            spoilt.append(name)
        elif _is_outside(array, wanted):
            outside.append(f"{name} {wanted}")
    return {"of another type": kinds, "with NaN": spoilt, "beyond the range of": outside}


def _is_outside(array: np.ndarray, wanted: str) -> bool:
    """Whether a type lacks some of an array's finite numbers, which would become infinity or others."""
    if wanted == "bool" or not array.size:
        return False
    # NumPy knows no bfloat16, whose range is that of float32.
    limits = np.finfo("float16" if wanted == "float16" else "float32") if is_float(array) else np.iinfo(wanted)
    if wanted == "float64":
        return False
    inside = array[np.isfinite(array)]
    return bool((inside < limits.min).any() or (inside > limits.max).any())
