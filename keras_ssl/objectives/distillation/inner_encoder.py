"""The encoder inside a model of pixels."""

from collections.abc import Callable

import keras

from keras_ssl.typing import Tensor


def inner_encoder(model: keras.Model) -> tuple[Callable[[Tensor], Tensor], keras.Model]:
    """What prepares the inputs of a model's encoder, and that encoder, whose layers can be found by name.

    Args:
        model: a functional model that holds one other model, such as `keras_ssl.load` gives (preprocessing, then the
            encoder); any other is its own encoder, and nothing is prepared.

    Example:

    >>> prepare, encoder = inner_encoder(keras_ssl.load("barlow_digits"))
    >>> type(encoder).__name__
    'ConvNet'
    """
    inner = [layer for layer in getattr(model, "layers", ()) if isinstance(layer, keras.Model)]
    if len(inner) != 1 or not inner[0]._inbound_nodes or not inner[0].built:
        return (lambda x: x), model
    tensors = inner[0]._inbound_nodes[0].input_tensors
    front = keras.Model(model.input, tensors[0])
    return (lambda x: front(x, training=False)), inner[0]
