"""Backbones of keras-hub as encoders."""

from typing import Any

import keras

from keras_ssl.interop.keras_hub_encoder import TOKEN_BACKBONES, KerasHubEncoder, check_pooling, pooled_tokens

__all__ = ["from_keras_hub"]


def from_keras_hub(backbone: keras.Model, pooling: str = "auto") -> keras.Model:
    """A backbone of keras-hub as an encoder that maps images `[N, H, W, C]` to features `[N, D]`.

    No weight is copied: the encoder has the backbone's own layers, so that what is pretrained here is at once in the
    backbone, to be saved by its `save_to_preset` or used in a task of keras-hub. What it is depends on what the
    backbone gives:

    - tokens of a `DINOV2Backbone`, `ViTBackbone` or `DeiTBackbone`: a `TokenEncoder`, for masked objectives too;
    - tokens of a `DINOV3Backbone`: a model that pools them. Its blocks need the places of patches, which a
      `TokenEncoder` is not told, so masked objectives do not take it;
    - a map `[N, H', W', D]`, as of ResNet, EfficientNet, MobileNet, DenseNet and their kin: a model that averages it,
      which objectives of places (`DenseCL`) take too.

    A preset's weights expect the scale of pixels that its image converter makes: give the objective the same by
    `preprocessing=keras_ssl.layers.ImagePreprocessing(mean, std)`. Those of DINOv2 are the default.

    Args:
        backbone: the backbone, with inputs of images alone, channels last.
        pooling: of tokens "class", "mean" or "class_mean", of a map "avg". Defaults to "auto": "class" where there is
            a class token, "mean" where there is none, "avg".

    Raises:
        ValueError: if the backbone takes or gives something else, or has no such pooling.

    Example:

    ```python
    backbone = keras_hub.models.DINOV2Backbone.from_preset("dinov2_small", image_shape=(224, 224, 3))
    model = keras_ssl.MAE(keras_ssl.interop.from_keras_hub(backbone))
    ```
    """
    if not isinstance(backbone, keras.Model) or len(getattr(backbone, "inputs", None) or ()) != 1:
        raise ValueError(
            f"`backbone` must be a backbone of keras-hub with one input. Received: backbone={type(backbone).__name__}"
        )
    known: Any = backbone
    if type(backbone).__name__ in TOKEN_BACKBONES:
        return KerasHubEncoder(backbone, pooling)
    images, found = backbone.inputs[0], backbone.output
    rank = len(found.shape) if isinstance(found, keras.KerasTensor) else 0
    if type(backbone).__name__ == "DINOV3Backbone":
        prefix = 1 + known.num_register_tokens
        features = pooled_tokens(found, prefix, check_pooling(pooling, prefix))
    elif rank == 4 and len(images.shape) == 4 and getattr(known, "data_format", None) != "channels_first":
        if pooling not in ("auto", "avg"):
            raise ValueError(f"`pooling` must be 'auto' or 'avg' for this backbone. Received: pooling={pooling!r}")
        features = keras.layers.GlobalAveragePooling2D(data_format="channels_last", name="pool")(found)
    else:
        raise ValueError(
            f"`backbone` must give maps of images [N, H, W, D], or be {', '.join(TOKEN_BACKBONES)} or DINOV3Backbone. "
            f"Received: {type(backbone).__name__} from {tuple(images.shape)} to {getattr(found, 'shape', type(found))}"
        )
    return keras.Model(images, features, name=backbone.name)
