"""Loading a pretrained encoder as a plain Keras model."""

import os
from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.hub.card import Card
from keras_ssl.hub.card_size import channels_of
from keras_ssl.hub.catalogue import find
from keras_ssl.hub.entry_encoder import entry_encoder
from keras_ssl.hub.entry_objective import build_objective
from keras_ssl.hub.entry_weights import assign_entry_weights
from keras_ssl.hub.license_gate import check_license
from keras_ssl.hub.other_channels import adapted_preprocessing, channel_arguments, describe_adaptation
from keras_ssl.hub.pixel_model import PixelModel
from keras_ssl.layers import ImagePreprocessing, NaNGuard
from keras_ssl.layers.pixel_scale import ANY_VALUE
from keras_ssl.losses.numeric import check_integer
from keras_ssl.training.encoder_front import encoder_shapes


def load(
    name_or_path: str | os.PathLike[str],
    *,
    image_size: int | Sequence[int] | None = None,
    pooling: str | None = "auto",
    channels: int | None = None,
    heads: bool = False,
    trainable: bool = True,
    include_preprocessing: bool = True,
    accept_license: str | None = None,
    verify: bool = True,
    cache_dir: str | os.PathLike[str] | None = None,
    mirror: str | os.PathLike[str] | None = None,
    require_hash: bool = False,
    progress: bool = True,
) -> keras.Model:
    """A pretrained encoder as a plain `keras.Model`: pixels in, features `[N, D]` out.

    The encoder is built from this library's own classes as the entry's card says, and its weights are read from a
    safetensors file, or from another project's checkpoint by `keras_ssl.hub.load_checkpoint`: no code or pickle is
    taken from the entry. Any other Keras model is built from its configuration in Keras' safe mode, which imports
    nothing but Keras; own layers must be registered before (`keras.saving.register_keras_serializable`).

    Size and sha256 of a file are compared with the card's before it is read. A file that is not beside the card is
    downloaded, if the card says from where (see `keras_ssl.hub.fetch` for the environment's variables); of a publisher
    who gives no hash, the first download decides what later ones must be.

    Args:
        name_or_path: a name of `list_models()`, the folder that `keras_ssl.export` wrote, or
            `hf://owner/name@revision`: a repository of the Hugging Face Hub that `keras_ssl.hub.push` wrote (needs
            `pip install 'keras_ssl[huggingface]'`). A revision of 40 hexadecimal digits is a commit, whose files never
            change: what is in the cache is read without asking anybody. A branch or tag, or no revision, is looked up
            each time, and its commit told once.
        image_size: side of the images in pixels, or (height, width): the model then takes images of that size alone,
            for which a vision transformer's positions are interpolated. Defaults to None: any size, where the encoder
            allows.
        pooling: the encoder's: for a `ResNet` or `ConvNet` "avg", for a `ViT` "class", "mean" or "class_mean"; None
            gives the last feature map, or all tokens. Defaults to "auto": what the card says.
        channels: of the images, where they have others than the encoder was trained on: its first kernel is summed for
            gray images, and else repeated and scaled (see `keras_ssl.checkpoints.adapted_kernel`), and so are mean and
            standard deviation. With it a training starts; without any, features of other channels are of little use.
            Defaults to None: the entry's.
        heads: whether to return the objective that the encoder was trained by, with the encoder and the trained
            heads in it, to `compile` and to go on pretraining with `fit`. Defaults to False.
        trainable: whether the encoder's weights train, with live batch statistics, in a model that is fitted.
            False freezes both. Defaults to True.
        include_preprocessing: whether the model takes pixels: uint8, uint16, or floats in [0, 1] (see
            `keras_ssl.layers.ImagePreprocessing`); of the card's `value_range`, where it has one, in any type. False
            gives the encoder alone, to be used with `preprocessing(name_or_path)`, or as the encoder of another
            objective. Defaults to True.
        accept_license: the license of weights that are not for commercial use, such as "CC-BY-NC-4.0", without which
            those are not loaded. Defaults to None.
        verify: whether to compare the sha256; the size always is, and a download is. Defaults to True.
        cache_dir: where downloaded files are kept. Defaults to `keras_ssl.hub.cache_folder()`.
        mirror: a folder or base address to download from, before those of the environment and the publisher's.
        require_hash: whether to refuse a file of which the card has no full sha256; a prefix of it, or an md5, does not
            do (see `keras_ssl.hub.fetch`); and a repository of the Hugging Face Hub without its commit. Defaults to
            False.
        progress: whether to show how far a download is. Defaults to True.

    Returns:
        A functional model `images [N, H, W, C] -> features [N, D]`, which sees the type of the images that it is
        given: a model around it must begin with an `Input` of that type, and its own `export` writes a model that takes
        uint8. With `include_preprocessing=False` the encoder, with `heads=True` a `keras_ssl.training.SSLModel`.

    Raises:
        ValueError: before anything is downloaded, if there is no such entry (the closest names are suggested), the
            license is not accepted, the card is not valid, the encoder cannot be rebuilt or does not take
            `image_size`, `pooling` or `channels`, the entry has no heads, or `require_hash` refuses it; and after, if a
            file is not the card's or its weights are not the encoder's.
        DownloadError: if the file cannot be downloaded, or the cache cannot take it.
        ImportError: for a repository of the Hugging Face Hub, without `huggingface_hub`.

    Example:

    ```python
    base = keras_ssl.load("saved_models/my_encoder")
    pixels = keras.Input(base.input_shape[1:], dtype="uint8")
    classifier = keras.Sequential([pixels, base, keras.layers.Dense(10)])
    classifier.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                       metrics=["accuracy"])
    classifier.fit(images, labels, epochs=5)
    ```
    """
    entry = find(name_or_path, cache_dir=cache_dir, require_hash=require_hash)
    card = entry.read_card()
    check_license(card, accept_license)
    entry.check_sizes([*card.weight_files, *([card.heads_file] if heads and card.heads_file else [])])
    where = {"cache_dir": cache_dir, "mirror": mirror, "require_hash": require_hash, "progress": progress}
    changes = _changes(card, image_size, pooling)
    if channels is not None:
        if heads:
            raise ValueError(f"Heads are those of the entry's own channels. Received: heads=True, channels={channels}")
        changes |= channel_arguments(card, check_integer("channels", channels, 1), changes)
    encoder = entry_encoder(entry, card, verify, changes, **where)
    layer = card.build_preprocessing() if include_preprocessing else None
    model = build_objective(card, encoder, layer) if heads else encoder
    assign_entry_weights(entry, card, model, verify, adapt=channels is not None, **where)
    encoder.trainable = trainable
    if channels is not None:
        describe_adaptation(encoder, card, channels)
        layer = None if layer is None else adapted_preprocessing(layer, channels)
    if heads or layer is None:
        return model
    images = keras.Input(encoder_shapes(encoder)[0][1:], name="images")
    prepared = layer(images)
    return PixelModel(images, NaNGuard(name="guard")(encoder(prepared), prepared), name="pretrained")


def preprocessing(
    name_or_path: str | os.PathLike[str],
    *,
    crop: bool = False,
    interpolation: str | None = None,
    channels: int | None = None,
) -> keras.layers.Layer:
    """The layer that turns pixels into the input of a pretrained encoder, as `load` includes it.

    Nothing is downloaded, and no license need be accepted.

    Args:
        name_or_path: as for `load`.
        crop: whether the layer begins with resizing and cutting out the middle, as the publisher's evaluation does (see
            `keras_ssl.views.CenterCrop`), for images of any size. Defaults to False: images have their size already.
        interpolation: of that, in place of the card's; needed where the card does not say it. Defaults to None.
        channels: as for `load`. Defaults to None.

    Returns:
        A `keras_ssl.layers.ImagePreprocessing`; with `crop` a `keras.layers.Pipeline` that crops and then normalizes.

    Raises:
        ValueError: if there is no such entry, its encoder takes something else than pixels, or the card does not say
            how images come to their size.

    Example:

    ```python
    prepare = keras_ssl.preprocessing("dino_vits16", crop=True)
    features = keras_ssl.load("dino_vits16", include_preprocessing=False)(prepare(photos))
    ```
    """
    card = find(name_or_path).read_card()
    layer = card.build_preprocessing()
    if layer is None:
        raise ValueError(f"The entry has no preprocessing. Received: name_or_path={os.fspath(name_or_path)!r}")
    if channels is not None:
        layer = adapted_preprocessing(layer, check_integer("channels", channels, 1))
    if not crop:
        return layer
    # Not a Sequential, which would cast uint8 images to floats; the crop has scaled them to [0, 1].
    scale = ANY_VALUE if layer.value_range == ANY_VALUE else None
    normalize = ImagePreprocessing(layer.mean, layer.std, scale, layer.clip, name="normalize")
    return keras.layers.Pipeline([card.build_crop(interpolation), normalize], name="preprocessing")


def _changes(card: Card, image_size: int | Sequence[int] | None, pooling: str | None) -> dict[str, Any]:
    """The encoder's arguments that the caller sets instead of the card."""
    changes: dict[str, Any] = {} if pooling == "auto" else {"pooling": pooling}
    if image_size is not None:
        size = image_size if isinstance(image_size, Sequence) else (image_size, image_size)
        if len(size) != 2 or isinstance(size, str):
            raise ValueError(f"`image_size` must be a side or (height, width). Received: image_size={image_size!r}")
        sides = [check_integer("image_size", side, 1) for side in size]
        changes["input_shape"] = (*sides, channels_of(card.architecture.get("arguments", {})))
    return changes
