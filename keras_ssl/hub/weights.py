"""Weights of a model under public names, in safetensors files."""

import os
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_ssl.checkpoints.adapted_kernel import adapt_kernels
from keras_ssl.checkpoints.checkpoint_error import CheckpointError
from keras_ssl.checkpoints.read_safetensors import parse_safetensors
from keras_ssl.checkpoints.write_safetensors import write_safetensors
from keras_ssl.hub.atomic import atomic_file
from keras_ssl.regular_file import read_regular
from keras_ssl.weights.assign_weights import misfits
from keras_ssl.weights.named_weights import named_weights
from keras_ssl.weights.read_weights import as_array


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
    tensors = {name: as_array(variable) for name, variable in variables.items()}
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
    problems = misfits(variables, tensors)
    if problems:
        raise ValueError(
            f"The file's weights are not those of the model {model_name!r}; {problems}. Received: path={source!r}"
        )
    for name, variable in variables.items():
        variable.assign(tensors[name])
