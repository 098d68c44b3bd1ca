"""The features of the places of images."""

from typing import Any

import keras
import numpy as np

from keras_ssl.encoders.feature_map import map_trunk
from keras_ssl.encoders.token_encoder import TokenEncoder
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.validation import as_images
from keras_ssl.hub.pixel_model import PixelModel
from keras_ssl.training import SSLModel
from keras_ssl.typing import Tensor

__all__ = ["patch_features"]


def patch_features(model: keras.Model, images: Tensor, batch_size: int = 256) -> np.ndarray:
    """The features of the patches, or of the places of the last feature map, of images.

    Args:
        model: an encoder with tokens (`keras_ssl.encoders.TokenEncoder`, such as `ViT`), a functional model that ends
            in `GlobalAveragePooling2D`, or one whose output is a map `[N, rows, columns, D]`; or an objective or a
            loaded model with such an encoder inside.
        images: `[N, H, W, C]`, in the type that the model expects.
        batch_size: images in a batch. Defaults to 256.

    Returns:
        float32 `[N, rows, columns, D]`.

    Raises:
        ValueError: if the model has no features of places, or as `extract_features`.

    Example:

    >>> encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, depth=1, image_size=16)
    >>> patch_features(encoder, np.zeros((2, 16, 24, 3), "float32")).shape
    (2, 4, 6, 192)
    """
    array = as_images("images", images)
    if array.ndim != 4:
        raise ValueError(f"`images` must be [N, H, W, C]. Received: images.shape={array.shape}")
    dtype = keras.backend.standardize_dtype("float32" if array.dtype.kind == "f" else array.dtype.name)
    kind: Any = keras.Model
    if isinstance(model, SSLModel):
        inputs = keras.Input(array.shape[1:], dtype=dtype)
        encoder, prepared = model.encoder, model.encoder_input(inputs)
    elif isinstance(model, PixelModel):
        kind, inputs = PixelModel, keras.Input(array.shape[1:], dtype=model.inputs[0].dtype)
        encoder = next(layer for layer in model.layers if isinstance(layer, keras.Model))
        # Of these images' own size: an encoder may have to know how its patches lie.
        prepared = keras.Model(model.inputs[0], encoder._inbound_nodes[-1].input_tensors[0])(inputs)
    else:
        encoder, inputs = model, keras.Input(array.shape[1:], dtype=dtype)
        prepared = inputs
    if isinstance(encoder, TokenEncoder):
        grid = encoder.grid(array.shape)
        places = encoder.encode(encoder.tokens(prepared))[:, encoder.prefix :]
    else:
        shape = getattr(encoder, "output_shape", None)
        trunk = encoder if isinstance(shape, tuple) and len(shape) == 4 else map_trunk(encoder, "patch_features")
        found = trunk.compute_output_spec(keras.KerasTensor((1, *array.shape[1:])))
        grid, places = tuple(found.shape[1:3]), trunk(prepared)
    width = places.shape[-1]
    flat = kind(inputs, keras.layers.Flatten(dtype="float32")(places))
    return extract_features(flat, array, batch_size).reshape(len(array), *grid, width)
