"""Writing an encoder as an entry of the zoo."""

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from keras_ssl.hub.atomic import atomic_folder
from keras_ssl.hub.card import CARD_NAME, HEADS_NAME, WEIGHTS_NAME, Card, library_encoders
from keras_ssl.hub.card_file import CardFile
from keras_ssl.hub.golden import GOLDEN_NAME, features_of, golden_bytes, golden_shape
from keras_ssl.hub.heads import save_heads
from keras_ssl.hub.recipe import Recipe
from keras_ssl.hub.signatures import known_arguments
from keras_ssl.hub.versions import versions
from keras_ssl.hub.weights import load_weights, save_weights
from keras_ssl.layers import ImagePreprocessing
from keras_ssl.precision import dtype_policy
from keras_ssl.training import SSLModel
from keras_ssl.training.ssl_model import default_preprocessing
from keras_ssl.typing import Tensor


def export(
    model: keras.Model,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    description: str = "",
    data: str = "",
    results: Mapping[str, Any] | None = None,
    recipe: Recipe | None = None,
    license: str = "",
    preprocessing: ImagePreprocessing | str | None = "auto",
    image_size: int | None = None,
    origin: Mapping[str, Any] | None = None,
    heads: bool = False,
    overwrite: bool = False,
) -> Path:
    """Writes an encoder as a folder that serves, fine-tunes, and loads: SavedModel, weights and card.

    The folder holds

    - a SavedModel: uint8 pixels in (any number of images, of any size where the encoder allows), features
      `[N, D]` out; the endpoint `serve` for inference, and `train` with live batch statistics. In Keras it is
      `keras.layers.TFSMLayer(path, call_endpoint="serve", call_training_endpoint="train")`. What is not an
      image encoder takes what the encoder takes;
    - `encoder.safetensors`: the encoder's weights under public names (`keras_ssl.hub.named_weights`);
    - `card.toml`: architecture, preprocessing, objective, recipe, data, results, versions, size and sha256 of
      each file;
    - `golden.safetensors`: features of inputs that follow from a seed, by which `keras_ssl.hub.verify` finds out
      whether another version, backend or device still gives them (where `load` can rebuild the encoder);
    - with `heads`, `heads.safetensors`: all else that the objective has learnt and keeps (projector, teacher, queue,
      prototypes ...), for `keras_ssl.load_heads`.

    It appears whole or not at all. `keras_ssl.load(path)` reads the card and the weights, and rebuilds the
    encoder from the library's own classes, in float32; before the folder appears, `export` has done the same.
    An encoder of another make is written too, with a warning: `load` cannot rebuild it, the SavedModel and
    the weights can be used without. Keras' own `model.save` keeps such a model as a whole.

    On the JAX backend there is no SavedModel, which is TensorFlow's format: a warning says so, and the card
    (`saved_model = false`). To add it, export under `KERAS_BACKEND=tensorflow` what `load` returns.

    Args:
        model: an `SSLModel`, whose encoder and preprocessing are written; or an encoder; or a model that
            `keras_ssl.load` returned, fine-tuned or not.
        path: the folder to make.
        name: of the entry. Defaults to the folder's name.
        description: a sentence or two for the card.
        data: what the encoder was trained on.
        results: what was measured: numbers, texts, lists and dicts of such.
        recipe: the recipe of the run.
        license: of the weights, an SPDX name. Defaults to "": it is not stated. Weights that were made from others keep
            their terms.
        preprocessing: the encoder's, where `model` is a plain encoder. "auto" (default) is what `SSLModel`
            would take; None for encoders that take something else than pixels.
        image_size: side in pixels of the images of training, for the card. Defaults to the encoder's or the recipe's,
            where they say it.
        origin: for weights that another project trained, what they were made from, for the card.
        heads: whether the objective's heads and state are written too, so that others can go on pretraining.
            Defaults to False.
        overwrite: whether an existing entry is replaced. Defaults to False.

    Returns:
        The folder's path.

    Raises:
        FileExistsError: if `path` exists and `overwrite` is false, or it exists and is not an entry.
        ValueError: if `model` is none of the above, or is no `SSLModel` and `heads` is set, or the card cannot hold
            an argument.

    Example:

    ```python
    keras_ssl.export(model, "saved_models/my_encoder", data="coloured digits", results={"knn": 0.7})
    features = keras_ssl.load("saved_models/my_encoder")(images)
    ```
    """
    target = Path(path).absolute()
    if overwrite and os.path.lexists(target) and not (target / CARD_NAME).is_file():
        raise FileExistsError(f"Only an entry with a {CARD_NAME} is overwritten. Received: path={str(path)!r}")
    encoder, layer = _parts(model, preprocessing)
    objective = model if isinstance(model, SSLModel) else None
    if heads and objective is None:
        raise ValueError(f"Only an SSLModel has heads. Received: heads=True, model={model!r}")
    from_library = type(encoder) is library_encoders().get(type(encoder).__name__)
    saved_model = keras.backend.backend() == "tensorflow"
    described = {
        "name": target.name if name is None else name,
        "description": description,
        "license": license,
        "data": data,
        "seed": None if objective is None else objective.seed,
        "saved_model": saved_model,
        "architecture": {
            "name": type(encoder).__name__,
            "library": from_library,
            "arguments": encoder.get_config() if from_library else {},
        },
        "preprocessing": _preprocessing_table(layer, encoder, recipe, image_size),
        "objective": {} if objective is None else _objective_table(objective),
        "recipe": {} if recipe is None else recipe.sections,
        "results": dict(results or {}),
        "origin": dict(origin or {}),
        "versions": versions(),
    }
    with atomic_folder(target, overwrite) as staging:
        weights = staging / WEIGHTS_NAME
        save_weights(encoder, weights)
        if heads and objective is not None:
            save_heads(objective, staging / HEADS_NAME)
        if from_library:
            # From here on it is what `load` will build, not what was trained: another precision, frozen
            # layers and mirrored variables stay behind, and an entry that could not be rebuilt fails here.
            card = Card(files=(CardFile.of(weights, staging),), **described)
            with dtype_policy("float32"):
                encoder, layer = card.build_encoder(), card.build_preprocessing()
            load_weights(encoder, weights)
            shape = golden_shape(encoder, card.preprocessing.get("size"))
            golden = golden_bytes(features_of(encoder, layer), shape, pixels=layer is not None)
            (staging / GOLDEN_NAME).write_bytes(golden)
        if saved_model:
            _write_saved_model(encoder, layer, staging)
        files = sorted(item for item in staging.rglob("*") if item.is_file())
        Card(files=tuple(CardFile.of(item, staging) for item in files), **described).write(staging / CARD_NAME)
        Card.read(staging / CARD_NAME)
    if not from_library:
        warnings.warn(
            f"{type(encoder).__name__} is not one of keras_ssl.encoders, so keras_ssl.load cannot rebuild "
            "it: written are its weights, and a SavedModel where the backend can. Keras' own model.save "
            "keeps the model as a whole.",
            stacklevel=2,
        )
    if not saved_model:
        warnings.warn(
            "A SavedModel is TensorFlow's format: on this backend only weights and card were written. To add "
            f"it, set KERAS_BACKEND=tensorflow and export what keras_ssl.load({str(path)!r}) returns.",
            stacklevel=2,
        )
    return target


def _parts(
    model: keras.Model, preprocessing: ImagePreprocessing | str | None
) -> tuple[keras.Model, ImagePreprocessing | None]:
    """The encoder in `model`, and the layer that prepares its input."""
    own: Any = None
    if isinstance(model, SSLModel):
        encoder, own = model.encoder, model.preprocessing
    elif isinstance(model, keras.Model) and _is_loaded(model):
        encoder, own = model.layers[2], model.layers[1]
    elif isinstance(model, keras.Model) and model.built and len(model.output_shape) == 2:
        return model, default_preprocessing(model) if preprocessing == "auto" else _checked(preprocessing)
    else:
        raise ValueError(
            "`model` must be an SSLModel, or a built keras.Model that maps a batch to features [N, D]. "
            f"Received: model={model!r}"
        )
    if preprocessing != "auto":
        raise ValueError(
            "`preprocessing` goes with a plain encoder; this model has its own. "
            f"Received: preprocessing={preprocessing!r}"
        )
    return encoder, _checked(own)


def _is_loaded(model: keras.Model) -> bool:
    """Whether `model` is what `load` returns: input, preprocessing, encoder."""
    kinds = (keras.layers.InputLayer, ImagePreprocessing, keras.Model)
    layers = getattr(model, "layers", [])
    return len(layers) == 3 and all(isinstance(layer, kind) for layer, kind in zip(layers, kinds, strict=True))


def _checked(layer: Any) -> ImagePreprocessing | None:
    if layer is not None and not isinstance(layer, ImagePreprocessing):
        raise ValueError(
            f"A card describes ImagePreprocessing or none, no other layer. Received: preprocessing={layer!r}"
        )
    return layer


def _write_saved_model(encoder: keras.Model, layer: ImagePreprocessing | None, folder: Path) -> None:
    import tensorflow as tf  # the active backend, or there would be no SavedModel

    def features(inputs: Tensor, training: bool) -> Tensor:
        return encoder(inputs if layer is None else layer(inputs), training=training)

    shape = (None, *encoder.input_shape[1:])
    signature = [tf.TensorSpec(shape, encoder.inputs[0].dtype if layer is None else "uint8")]
    archive = keras.export.ExportArchive()
    archive.track(encoder)
    archive.add_endpoint("serve", lambda inputs: features(inputs, training=False), input_signature=signature)
    archive.add_endpoint("train", lambda inputs: features(inputs, training=True), input_signature=signature)
    archive.write_out(str(folder), verbose=False)
    (folder / "assets").rmdir()  # always empty here, and neither git nor a wheel would keep it


def _preprocessing_table(
    layer: ImagePreprocessing | None, encoder: keras.Model, recipe: Recipe | None, image_size: int | None
) -> dict[str, Any]:
    if layer is None:
        return {}
    table: dict[str, Any] = {"mean": layer.mean, "std": layer.std, "scale": 255}
    size = encoder.input_shape[1] if image_size is None else image_size
    if size is None and recipe is not None:
        size = recipe.sections.get("views", {}).get("size")
    return table if size is None else {**table, "size": size}


def _objective_table(model: SSLModel) -> dict[str, Any]:
    """The objective's name and its own arguments; what all objectives have stands elsewhere in the card."""
    shared = {*known_arguments(SSLModel, stop="keras."), "name", "dtype"}
    config = model.get_config()
    own = [name for name in known_arguments(type(model), stop="keras.") if name not in shared and name in config]
    return {"name": type(model).__name__, "arguments": {name: config[name] for name in own}}
