"""Public names of a model's weights, which follow from its structure."""

import re
from collections import defaultdict
from typing import Any

import keras

from keras_ssl.weights.arrays import check_built

__all__ = ["named_weights"]


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
    check_built("model", model)
    named: dict[str, Any] = {}
    _walk(model, "", named, set())
    return named


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
