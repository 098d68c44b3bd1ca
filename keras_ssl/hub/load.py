"""Loading a pretrained encoder as a plain Keras model."""

import os

import keras

from keras_ssl.hub.catalogue import find
from keras_ssl.hub.weights import assign_weights
from keras_ssl.layers import ImagePreprocessing


def load(
    name_or_path: str | os.PathLike[str],
    *,
    trainable: bool = True,
    include_preprocessing: bool = True,
    verify: bool = True,
    cache_dir: str | os.PathLike[str] | None = None,
    mirror: str | os.PathLike[str] | None = None,
    require_hash: bool = False,
    progress: bool = True,
) -> keras.Model:
    """A pretrained encoder as a plain `keras.Model`: pixels in, features `[N, D]` out.

    The encoder is built from this library's own classes as the entry's card says, and its weights are read
    from a safetensors file: no code, pickle or configuration of a network is taken from the entry. Size and
    sha256 of the file are compared with the card's before it is read. A file that is not beside the card is
    downloaded, if the card says from where (see `keras_ssl.hub.fetch` for the environment's variables).

    Args:
        name_or_path: a name of `list_models()`, or the folder that `keras_ssl.export` wrote.
        trainable: whether the encoder's weights train, with live batch statistics, in a model that is fitted.
            False freezes both. Defaults to True.
        include_preprocessing: whether the model takes pixels: uint8 (or other integers), or floats in [0, 1]
            (see `keras_ssl.layers.ImagePreprocessing`). False gives the encoder alone, to be used with
            `preprocessing(name_or_path)`, or as the encoder of another objective. Defaults to True.
        verify: whether to compare the sha256; the size always is, and a download is. Defaults to True.
        cache_dir: where downloaded files are kept. Defaults to `keras_ssl.hub.cache_folder()`.
        mirror: a folder or base address to download from, before those of the environment and the publisher's.
        require_hash: whether to refuse a file whose publisher gives no hash. Defaults to False.
        progress: whether to show how far a download is. Defaults to True.

    Returns:
        A functional model `images [N, H, W, C] -> features [N, D]`, for images of any size where the encoder
        allows.

    Raises:
        ValueError: if there is no such entry (the closest names are suggested), a file is not the card's, the
            card is not valid, the encoder is not one of this library, or `require_hash` refuses it.
        DownloadError: if the file cannot be downloaded, or the cache cannot take it.

    Example:

    ```python
    base = keras_ssl.load("saved_models/my_encoder")
    classifier = keras.Sequential([base, keras.layers.Dense(10)])
    classifier.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                       metrics=["accuracy"])
    classifier.fit(images, labels, epochs=5)
    ```
    """
    entry = find(name_or_path)
    card = entry.read_card()
    (weights,) = card.weight_files
    encoder = card.build_encoder()
    weights, folder = entry.locate(
        weights, cache_dir=cache_dir, mirror=mirror, require_hash=require_hash, progress=progress
    )
    assign_weights(encoder, weights.read(folder, verify), str(folder / weights.name))
    encoder.trainable = trainable
    layer = card.build_preprocessing()
    if not include_preprocessing or layer is None:
        return encoder
    images = keras.Input(encoder.input_shape[1:], name="images")
    return keras.Model(images, encoder(layer(images)), name="pretrained")


def preprocessing(name_or_path: str | os.PathLike[str]) -> ImagePreprocessing:
    """The layer that turns pixels into the input of a pretrained encoder, as `load` includes it.

    Args:
        name_or_path: as for `load`.

    Raises:
        ValueError: if there is no such entry, or its encoder takes something else than pixels.
    """
    entry = find(name_or_path)
    layer = entry.read_card().build_preprocessing()
    if layer is None:
        raise ValueError(f"The entry has no preprocessing. Received: name_or_path={os.fspath(name_or_path)!r}")
    return layer
