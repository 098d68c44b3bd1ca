"""Weights of a model under public names, in safetensors files."""

import os
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_ssl.checkpoints.adapted_kernel import adapt_kernels
from keras_ssl.checkpoints.checkpoint_error import CheckpointError
from keras_ssl.checkpoints.read_safetensors import parse_safetensors
from keras_ssl.checkpoints.weight_problems import weight_problems
from keras_ssl.checkpoints.write_safetensors import write_safetensors
from keras_ssl.hub.atomic import atomic_file
from keras_ssl.regular_file import read_regular


def named_weights(model: keras.layers.Layer) -> dict[str, Any]:
    """The weights of a model or layer by a public name, such as `stem_conv/kernel`.

    A name is the path of layer names from the model down to the layer, without the model's own, and the
    weight's name in its layer. It follows from structure alone: a layer whose name Keras made and numbered
    goes by its class and its place among such layers of that class in its parent (`dense_0`, `dense_1`), so
    that two models made by the same code have the same names, on every backend, however many models were made
    before. (`variable.path` is not unique in nested models, and changes with every instance.) Weight files
    hold these names: renaming a layer changes the format.

    Args:
        model: a built `keras.Model` or layer.

    Returns:
        Variables by name, in the order of the walk. Optimizer, metrics and seeds are not weights.

    Raises:
        ValueError: if the model is not built, or two weights have the same name.

    Example:

    >>> from keras_ssl.encoders import ConvNet
    >>> list(named_weights(ConvNet(widths=(4,))))[:2]
    ['block1_conv/kernel', 'block1_bn/gamma']
    """
    if not model.built:
        raise ValueError(f"`model` must be built. Received: model={model!r}")
    named: dict[str, Any] = {}
    _walk(model, "", named, set())
    return named


def save_weights(model: keras.layers.Layer, path: str | os.PathLike[str]) -> None:
    """Writes the weights of a model to a safetensors file, under the names of `named_weights`.

    The file appears whole or not at all. Half-precision weights are stored as float32, which loses nothing.

    Args:
        model: a built `keras.Model` or layer.
        path: the file; an existing one is replaced.
    """
    save_variables(named_weights(model), path)


def save_variables(variables: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """As `save_weights`, for variables by name."""
    tensors = {name: _to_numpy(variable) for name, variable in variables.items()}
    with atomic_file(path) as staging:
        write_safetensors(tensors, staging)


def load_weights(model: keras.layers.Layer, path: str | os.PathLike[str]) -> None:
    """Reads the weights of a model from a safetensors file that `save_weights` wrote.

    Every weight of the model must be in the file in its shape, and nothing else may be; otherwise no weight
    changes.

    Args:
        model: a built `keras.Model` or layer.
        path: the file.

    Raises:
        ValueError: if the file cannot be read or is not whole, or its weights are not the model's: the
            message names those that are missing, too many or of another shape.
    """
    try:
        content = read_regular(path)
    except OSError as error:
        raise ValueError(f"A weight file cannot be read ({error.strerror}). Received: path={str(path)!r}") from error
    assign_weights(model, content, str(path))


def assign_weights(model: keras.layers.Layer, content: bytes, source: str, adapt: bool = False) -> None:
    """As `load_weights`, from the bytes of a file that was read before; `source` names it in messages.

    With `adapt` the first kernel may be for another number of channels: it is made to fit.
    """
    assign_variables(named_weights(model), content, model.name, source, adapt)


def assign_variables(
    variables: Mapping[str, Any], content: bytes, model_name: str, source: str, adapt: bool = False
) -> None:
    """As `assign_weights`, for variables by name; `model_name` names their model in messages."""
    try:
        tensors = parse_safetensors(content)
    except CheckpointError as error:
        raise ValueError(f"{error} Received: path={source!r} of {len(content)} bytes") from error
    if adapt:
        tensors = adapt_kernels(tensors, variables)
    assign_tensors(variables, tensors, model_name, source)


def assign_tensors(
    variables: Mapping[str, Any], tensors: Mapping[str, np.ndarray], model_name: str, source: str
) -> None:
    """As `assign_variables`, from arrays that were read before."""
    shapes = {
        name: f"{name} {tuple(tensors[name].shape)} instead of {tuple(variables[name].shape)}"
        for name in variables.keys() & tensors.keys()
        if tuple(tensors[name].shape) != tuple(variables[name].shape)
    }
    problems = weight_problems(
        {
            "missing": sorted(variables.keys() - tensors.keys()),
            "not of the model": sorted(tensors.keys() - variables.keys()),
            "of another shape": [shapes[name] for name in sorted(shapes)],
            **_unfit(variables, tensors),
        }
    )
    if problems:
        raise ValueError(
            f"The file's weights are not those of the model {model_name!r}; {problems}. Received: path={source!r}"
        )
    for name, variable in variables.items():
        variable.assign(tensors[name])


def _unfit(variables: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> dict[str, list[str]]:
    """Arrays of another kind of numbers than their variables, which would be rounded, and such with NaN."""
    kinds, spoilt = [], []
    for name in sorted(variables.keys() & tensors.keys()):
        wanted = keras.backend.standardize_dtype(variables[name].dtype)
        array = tensors[name]
        if array.dtype.kind not in ("f" if "float" in wanted else "b" if wanted == "bool" else "iu"):
            kinds.append(f"{name} {array.dtype} instead of {wanted}")
        elif array.dtype.kind == "f" and np.isnan(array).any():
            spoilt.append(name)
    return {"of another type": kinds, "with NaN": spoilt}


def _walk(layer: keras.layers.Layer, prefix: str, named: dict[str, Any], seen: set[int]) -> None:
    """Adds the weights of `layer` and of the layers in it, each once."""
    # Keras has no public list of the direct children that holds for models and for composite layers alike.
    children = layer._flatten_layers(include_self=False, recursive=False)
    inner = {id(variable) for child in children for variable in child.weights}
    for variable in layer.weights:
        if id(variable) not in inner and id(variable) not in seen:
            seen.add(id(variable))
            key = prefix + variable.name
            if key in named:
                raise ValueError(f"Two weights have the same name: give their layers names. Received: name={key!r}")
            named[key] = variable
    places: dict[str, int] = defaultdict(int)
    for child in children:
        name = child.name
        if _is_automatic(child):
            kind = re.sub(r"_\d+$", "", name)
            name = f"{kind}_{places[kind]}"
            places[kind] += 1
        _walk(child, f"{prefix}{name}/", named, seen)


def _is_automatic(layer: keras.layers.Layer) -> bool:
    """Whether Keras made the layer's name: its class in snake case, numbered from the second one on."""
    return re.sub(r"_\d+$", "", layer.name).replace("_", "") == type(layer).__name__.lower().replace("_", "")


def _to_numpy(variable: Any) -> np.ndarray:
    value = variable.value
    if keras.backend.standardize_dtype(variable.dtype) in ("bfloat16", "float16"):
        value = keras.ops.cast(value, "float32")
    return np.ascontiguousarray(keras.ops.convert_to_numpy(value))
