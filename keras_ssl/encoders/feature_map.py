"""The feature map of an encoder, before it is pooled."""

from collections.abc import Callable
from typing import Any

import keras

from keras_ssl.encoders.token_encoder import TokenEncoder
from keras_ssl.typing import Tensor

MapAndFeatures = Callable[..., tuple[Tensor, Tensor]]


def feature_map(encoder: Any, method: str) -> MapAndFeatures:
    """A function `(images, training=False) -> (places [N, S, D], features [N, F])` with the encoder's own weights.

    `places` are the S places of the last feature map, or the patch tokens, row by row. `features` are what the encoder
    itself gives.

    Args:
        encoder: a functional `keras.Model` that ends in `GlobalAveragePooling2D`, with a `LayerNormalization` or none
            after it, or a `TokenEncoder` of images.
        method: the method that needs it, for the message.

    Raises:
        ValueError: if the encoder is neither.

    Example:

    >>> places, features = feature_map(keras_ssl.encoders.ConvNet((4, 8)), "DenseCL")(keras.ops.zeros((2, 8, 8, 3)))
    >>> tuple(places.shape), tuple(features.shape)
    ((2, 16, 8), (2, 8))
    """
    if isinstance(encoder, TokenEncoder):

        def of_tokens(images: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
            tokens = encoder.encode(encoder.tokens(images), training=training)
            return tokens[:, encoder.prefix :], encoder.pool(tokens)

        return of_tokens
    trunk, pool = _trunk_and_pool(encoder, method)

    def of_map(images: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        found = trunk(images, training=training)
        return keras.ops.reshape(found, (-1, found.shape[1] * found.shape[2], found.shape[3])), pool(found)

    return of_map


def feature_grid(encoder: Any, input_shape: tuple[int | None, ...], method: str) -> tuple[int, int]:
    """Rows and columns of the places that `feature_map` gives for images of a shape.

    Args:
        encoder, method: as for `feature_map`.
        input_shape: `[N, H, W, C]`, height and width known.

    Raises:
        ValueError: as `feature_map`; if a size is not known.

    Example:

    >>> feature_grid(keras_ssl.encoders.ConvNet((4, 8)), (None, 8, 16, 3), "DenseCL")
    (4, 8)
    """
    if isinstance(encoder, TokenEncoder):
        rows, columns = encoder.grid(input_shape)
        return int(rows), int(columns)
    rows, columns = _trunk_and_pool(encoder, method)[0].compute_output_shape(input_shape)[1:3]
    if rows is None or columns is None:
        raise ValueError(f"The height and width of the images must be known. Received: shape={tuple(input_shape)}")
    return int(rows), int(columns)


def map_trunk(encoder: Any, method: str) -> keras.Model:
    """The part of a functional model before its last global average pooling: images to maps `[N, rows, columns, D]`.

    Args:
        encoder: a functional `keras.Model` that ends in `GlobalAveragePooling2D`, with a `LayerNormalization` or none
            after it.
        method: the method that needs it, for the message.

    Raises:
        ValueError: if the encoder is something else.
    """
    return _trunk_and_pool(encoder, method)[0]


def _trunk_and_pool(encoder: Any, method: str) -> tuple[keras.Model, Any]:
    """The model up to the last feature map, and what makes features of the map: a pooling, and layers after it."""
    after: list[Any] = []
    made: Any = getattr(encoder, "output", None)
    while True:
        history: Any = getattr(made, "_keras_history", None)
        operation = getattr(history, "operation", None)
        inputs = [] if operation is None else operation._inbound_nodes[history.node_index].input_tensors
        if isinstance(operation, keras.layers.GlobalAveragePooling2D):
            trunk = keras.Model(encoder.input, inputs[0])
            if not after:
                return trunk, operation
            return trunk, keras.Sequential([operation, *reversed(after)])
        if len(inputs) != 1 or not isinstance(operation, keras.layers.LayerNormalization):
            raise ValueError(
                "`encoder` must end in GlobalAveragePooling2D, with a LayerNormalization or none after it, or be a "
                f"TokenEncoder for {method}, such as keras_ssl.encoders.ConvNet. Received: {type(encoder).__name__}"
            )
        after.append(operation)
        made = inputs[0]
