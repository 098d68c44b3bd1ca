"""A small model of any registered objective, for tests that should take seconds."""

from typing import Any

import keras

from keras_ssl import views
from keras_ssl.encoders import TabularTransformer, ViT
from keras_ssl.layers import BatchNormalization
from keras_ssl.registry import find
from keras_ssl.training import SSLModel


def tiny_model(name: str, **options: Any) -> SSLModel:
    """A model of a registered objective by the arguments of its `tiny`, on a small encoder with cheap views.

    The encoder is a convolutional one; where the objective needs tokens, a vision transformer; where it is registered
    for tables, one of columns.

    Args:
        name: of the objective.
        **options: further arguments.

    Raises:
        ValueError: if there is no such objective, or it has no `tiny`.
    """
    entry = find("objective", name)
    if entry is None or entry.target.tiny is None:
        raise ValueError(f"`name` must be a registered objective with `tiny`. Received: name={name!r}")
    if entry.modality == "table":
        return entry.target(tiny_table(), **{**entry.target.tiny, **options})
    arguments = {"views": cheap_views(), **entry.target.tiny, **options}
    make = tiny_vit if entry.family == "masked" or entry.target.needs_tokens else tiny_encoder
    return entry.target(make(), **arguments)


def tiny_encoder() -> keras.Model:
    """A network without kinks: a ReLU, or the largest of four pixels, takes another branch by the last digit of its
    input, and then two right gradients differ by 1e-4 of their size, for one draw of the weights in ten."""
    layers = keras.layers
    x = images = keras.Input((None, None, 3))
    for width in (8, 16):
        x = layers.Conv2D(width, 3, strides=width // 8, padding="same", use_bias=False)(x)
        x = layers.Activation("silu")(BatchNormalization()(x))
    return keras.Model(images, layers.GlobalAveragePooling2D()(x))


def tiny_vit() -> keras.Model:
    """A vision transformer for images of 16 pixels."""
    return ViT("Ti", patch_size=4, width=16, depth=2, heads=2, image_size=16, pooling="mean")


def tiny_table() -> keras.Model:
    """A transformer of columns: six of numbers and two of categories."""
    numbers = {f"number{place}": {"mean": float(place), "std": 2.0} for place in range(6)}
    return TabularTransformer({**numbers, "kind": {"categories": 3}, "flag": {"categories": 2}}, 16, 2, 2)


def cheap_views() -> views.MultiView:
    """Two views of an image that take little time to compile."""
    ops = [views.RandomFlip(0.5), views.RandomGrayscale(0.5), views.RandomApply(views.Solarize(0.5), 0.5)]
    return views.MultiView([views.Compose(ops)] * 2)
