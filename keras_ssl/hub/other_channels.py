"""An entry's encoder for images of another number of channels than it was trained on."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_ssl.hub.card import Card, library_encoders
from keras_ssl.hub.card_size import channels_of
from keras_ssl.hub.signatures import known_arguments
from keras_ssl.layers import ImagePreprocessing


def channel_arguments(card: Card, channels: int, changes: Mapping[str, Any]) -> dict[str, Any]:
    """The encoder's argument that asks for images of `channels` channels, beside other `changes`.

    Raises:
        ValueError: if the card's encoder has none.
    """
    arguments = {**card.architecture.get("arguments", {}), **changes}
    kind = library_encoders().get(card.architecture["name"]) if card.architecture.get("library", True) else None
    known = [] if kind is None else known_arguments(kind)
    if "channels" in known:
        return {"channels": channels}
    if "input_shape" not in known or not card.preprocessing:
        raise ValueError(
            "The entry's encoder takes no other number of channels. "
            f"Received: channels={channels} for the architecture {card.architecture['name']!r}"
        )
    return {"input_shape": (*tuple(arguments.get("input_shape", (None, None, 3)))[:2], channels)}


def adapted_preprocessing(layer: ImagePreprocessing, channels: int) -> ImagePreprocessing:
    """The layer for images of `channels` channels.

    Where it has a mean or standard deviation for each of other channels, a single channel gets the mean of them, and
    channel `i` of several that of channel `i mod I`, as its kernel.

    Example:

    >>> adapted_preprocessing(ImagePreprocessing([0.2, 0.4], [0.1, 0.3]), 3).mean
    [0.2, 0.4, 0.2]
    """
    config = layer.get_config()
    for key in ("mean", "std"):
        value = config[key]
        if isinstance(value, list) and len(value) not in (1, channels):
            turns = [value[place % len(value)] for place in range(channels)]
            config[key] = [float(np.mean(value))] if channels == 1 else turns
    return type(layer).from_config(config)


def describe_adaptation(encoder: keras.Model, card: Card, channels: int) -> None:
    """Notes on the encoder what was done to its first kernel, for the card that `export` writes of it."""
    own = channels_of(card.architecture.get("arguments", {}))
    if own == channels:
        return
    rule = f"the sum over {own} channels" if channels == 1 else f"that of channel i mod {own}, times {own}/{channels}"
    encoder.adapted_from = {"entry": card.name, "first_kernel": f"for channel i of {channels}: {rule}"}
