"""Smaller learning rates for the earlier blocks of an encoder."""

import re
from typing import Any

import keras

from keras_ssl.optimizers.layer_wise_decay import layer_wise_decay

_BLOCK = re.compile(r"^(.*block\d+[a-z]?)(?:_|$)")


def encoder_rates(encoder: keras.Model, decay: float = 0.75) -> dict[str, float]:
    """Learning-rate multipliers of an encoder's variables, for pretraining that goes on from trained weights.

    Of an encoder of L blocks, block i of 1 ... L has `decay ** (L + 1 - i)`, and what lies before the first block
    (patch embedding, positions, stem) `decay ** (L + 1)`. What follows the last block (a last normalization) has 1, as
    the heads have that an objective puts on top.

    Layers belong to one block where their names agree up to "block" and a number, as in the encoders of this library
    and many of `keras.applications`. In a network without such names, each layer with a kernel begins a block, and
    those without one (normalizations) belong to the block before.

    Args:
        encoder: a built `keras.Model` of layers, such as `keras_ssl.load` gives; models inside it are looked into.
        decay: in (0, 1]; 1 treats all alike. Defaults to 0.75.

    Returns:
        The multiplier by the variable's `path`, of all trainable variables, for
        `keras_ssl.optimizers.LayerWiseRates`.

    Raises:
        ValueError: if `decay` is out of range, the encoder has no trainable variables, or two have one path.

    Example:

    >>> rates = encoder_rates(keras_ssl.encoders.ConvNet(widths=(4, 8)), decay=0.5)
    >>> rates["block1_conv/kernel"], rates["block2_conv/kernel"]
    (0.25, 0.5)

    Reference: Bao et al., "BEiT: BERT Pre-Training of Image Transformers", ICLR 2022, https://arxiv.org/abs/2106.08254.
    """
    front, blocks, end = encoder_blocks(encoder)
    if not any(variable.trainable for variable in encoder.variables):
        raise ValueError(f"`encoder` must have trainable variables. Received: encoder={encoder!r}")
    rates = layer_wise_decay([part for part in (front, *blocks, end) if part], decay)
    return rates if end else {path: rate * decay for path, rate in rates.items()}  # the heads follow the last block


def encoder_blocks(encoder: keras.Model) -> tuple[list[Any], list[list[Any]], list[Any]]:
    """The layers with variables of an encoder: those before its blocks, each block's, and those behind."""
    # A layer of constants, such as Normalization, is no block; one that is frozen is.
    layers = [layer for layer in _leaves(encoder) if layer.trainable_variables or not layer.trainable]
    layers = [layer for layer in layers if layer.variables]
    names = [found.group(1) if (found := _BLOCK.match(layer.name)) else None for layer in layers]
    if not any(names):
        blocks: list[list[Any]] = []
        for layer in layers:
            if not blocks or any(len(variable.shape) > 1 for variable in layer.variables):
                blocks.append([])
            blocks[-1].append(layer)
        return [], blocks, []
    numbers = [place for place, name in enumerate(names) if name]
    front, end = layers[: numbers[0]], layers[numbers[-1] + 1 :]
    by_name: dict[str, list[Any]] = {}
    name = ""
    for layer, own in list(zip(layers, names, strict=True))[numbers[0] : numbers[-1] + 1]:
        name = own or name  # a layer between two blocks belongs to the first
        by_name.setdefault(name, []).append(layer)
    return front, list(by_name.values()), end


def _leaves(model: Any) -> list[Any]:
    """The layers of a model in order; of a model inside it, its own."""
    if not isinstance(model, keras.Model) or not model.layers:
        return [model]
    return [leaf for layer in model.layers for leaf in _leaves(layer)]
