"""What layers inside an encoder put out."""

from collections.abc import Callable, Sequence

import keras

from keras_ssl.typing import Tensor


def layer_outputs(encoder: keras.Model, names: Sequence[str]) -> Callable[..., list[Tensor]]:
    """A function `(inputs, training=False) -> list of outputs` of layers of an encoder, with its own weights.

    Args:
        encoder: a functional `keras.Model`.
        names: of its layers, at least one.

    Raises:
        ValueError: if there is no name, or no layer of a name.

    Example:

    >>> encoder = keras_ssl.encoders.ViT("Ti", patch_size=8, depth=2, image_size=16)
    >>> found = layer_outputs(encoder, ["block1_mlp2", "block2_mlp2"])(keras.ops.zeros((2, 16, 16, 3)))
    >>> [tuple(tokens.shape) for tokens in found]
    [(2, 5, 192), (2, 5, 192)]
    """
    known = {layer.name for layer in encoder.layers}
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(f"`names` must be names of layers of {encoder.name}. Received: names={list(names)}")
    part = keras.Model(encoder.input, [encoder.get_layer(name).output for name in names])

    def call(inputs: Tensor, training: bool = False) -> list[Tensor]:
        found = part(inputs, training=training)
        return list(found) if isinstance(found, list | tuple) else [found]

    return call
