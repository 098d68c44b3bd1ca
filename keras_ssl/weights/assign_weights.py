"""Arrays into the weights of a model, all or none."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_ssl.checkpoints.weight_problems import weight_problems
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
            another kind of numbers or NaN, which the message names.

    Example:

    >>> layer = keras.layers.Dense(1)
    >>> layer.build((None, 2))
    >>> assign_weights(layer, {"kernel": np.array([[2.0], [3.0]]), "bias": np.array([1.0])})
    >>> float(layer(np.array([[1.0, 1.0]]))[0, 0])
    6.0
    """
    variables = named_weights(model)
    if partial:
        variables = {name: variable for name, variable in variables.items() if name in values}
    arrays = {name: np.asarray(value) for name, value in values.items()}
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
    """Arrays of another kind of numbers than their variables, which would be rounded, and such with NaN."""
    kinds, spoilt = [], []
    for name in sorted(variables.keys() & arrays.keys()):
        wanted = keras.backend.standardize_dtype(variables[name].dtype)
        array = arrays[name]
        if array.dtype.kind not in ("f" if "float" in wanted else "b" if wanted == "bool" else "iu"):
            kinds.append(f"{name} {array.dtype} instead of {wanted}")
        elif array.dtype.kind == "f" and np.isnan(array).any():
            spoilt.append(name)
    return {"of another type": kinds, "with NaN": spoilt}
