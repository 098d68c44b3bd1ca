"""Writing an encoder as an entry of the zoo."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from keras_ssl.hub.architecture_file import (
    ARCHITECTURE_NAME,
    architecture_bytes,
    build_architecture,
    needed_modules,
)
from keras_ssl.hub.atomic import atomic_folder
from keras_ssl.hub.card import CARD_NAME, HEADS_NAME, WEIGHTS_NAME, Card, library_encoders
from keras_ssl.hub.card_file import CardFile
from keras_ssl.hub.card_text import README_NAME, card_markdown
from keras_ssl.hub.golden import GOLDEN_NAME, features_of, golden_bytes, golden_shape
from keras_ssl.hub.heads import save_heads
from keras_ssl.hub.parse_text import reason
from keras_ssl.hub.recipe import Recipe
from keras_ssl.hub.signatures import known_arguments
from keras_ssl.hub.versions import versions
from keras_ssl.hub.weights import load_weights, save_weights
from keras_ssl.layers import ImagePreprocessing, NaNGuard
from keras_ssl.messages import warn
from keras_ssl.paths import user_path
from keras_ssl.precision import dtype_policy
from keras_ssl.training import SSLModel
from keras_ssl.training.encoder_front import encoder_shapes
from keras_ssl.training.pixel_input import default_preprocessing
from keras_ssl.typing import Tensor
from keras_ssl.weights.named_weights import named_weights


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

    - a SavedModel: uint8 pixels in, or float32 ones where the preprocessing has a `value_range` (any number of
      images, of any size where the encoder allows), features `[N, D]` out; the endpoint `serve` for inference, and
      `train` with live batch statistics. In Keras it is `keras_ssl.hub.SavedModelLayer(path)`; without this library,
      `keras.layers.TFSMLayer(path, call_endpoint="serve", call_training_endpoint="train")`, which Keras trains with SGD
      without momentum alone. What is not an image encoder takes what the encoder takes;
    - `encoder.safetensors`: the encoder's weights under public names (`keras_ssl.hub.named_weights`);
    - `README.md`: the card for people, in the form that the Hugging Face Hub shows;
    - `card.toml`: architecture, preprocessing, objective, recipe, data, results, versions, size and sha256 of
      each file;
    - `golden.safetensors`: features of inputs that follow from a seed, by which `keras_ssl.hub.verify` finds out
      whether another version, backend or device still gives them (where `load` can rebuild the encoder);
    - with `heads`, `heads.safetensors`: all else that the objective has learnt and keeps (projector, teacher, queue,
      prototypes ...), for `keras_ssl.load_heads`.

    It appears whole or not at all. `keras_ssl.load(path)` reads the card and the weights, and rebuilds the
    encoder in float32; before the folder appears, `export` has done the same. For an encoder that is not one of
    `keras_ssl.encoders` (`keras.applications`, keras-hub, a functional model, a registered subclass), the folder also
    holds `architecture.json`, Keras' own configuration of it, and the card names the modules that must be imported
    before. Where a model cannot be rebuilt from its configuration (a `Lambda`, no `get_config`, a class that is not
    registered), a warning says why: SavedModel and weights are written, and `load` refuses the entry.

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
    keras_ssl.export(model, "saved_models/my_encoder", data="colored digits", results={"knn": 0.7})
    features = keras_ssl.load("saved_models/my_encoder")(images)
    ```
    """
    target = Path(user_path(path)).absolute()
    card_path = target / CARD_NAME
    # Asked twice, since another process may be putting a new entry in the old one's place.
    if overwrite and not card_path.is_file() and os.path.lexists(target) and not card_path.is_file():
        raise FileExistsError(f"Only an entry with a {CARD_NAME} is overwritten. Received: path={str(path)!r}")
    encoder, layer = _parts(model, preprocessing)
    if isinstance(encoder_shapes(encoder)[0], dict):
        raise ValueError(
            "The zoo's cards describe encoders of one array. Save an encoder of columns by `encoder.save(path)`, and "
            f"load it by `keras.saving.load_model`. Received: {type(encoder).__name__}"
        )
    objective = model if isinstance(model, SSLModel) else None
    if heads and objective is None:
        raise ValueError(f"Only an SSLModel has heads. Received: heads=True, model={model!r}")
    saved_model = keras.backend.backend() == "tensorflow"
    described: dict[str, Any] = {
        "name": target.name if name is None else name,
        "description": description,
        "license": license,
        "data": data,
        "seed": None if objective is None else objective.seed,
        "saved_model": saved_model,
        "preprocessing": _preprocessing_table(layer, encoder, recipe, image_size),
        "objective": {} if objective is None else _objective_table(objective),
        "recipe": {} if recipe is None else recipe.sections,
        "results": dict(results or {}),
        # What `load` did to an encoder for other channels is told, whoever exports it.
        "origin": {**getattr(encoder, "adapted_from", {}), **dict(origin or {})},
        "versions": versions(),
    }
    with atomic_folder(target, overwrite) as staging:
        weights = staging / WEIGHTS_NAME
        save_weights(encoder, weights)
        if heads and objective is not None:
            save_heads(objective, staging / HEADS_NAME)
        # From here on it is what `load` will build, not what was trained: another precision, frozen layers and mirrored
        # variables stay behind, and an entry that could not be rebuilt fails here.
        described["architecture"], rebuilt, problem = _rebuilt(encoder, staging)
        if rebuilt is not None:
            load_weights(rebuilt, weights)
            card = Card(files=_listed(staging), **described)
            with dtype_policy("float32"):
                encoder, layer = rebuilt, card.build_preprocessing()
            shape = golden_shape(encoder, card.preprocessing.get("size"))
            golden = golden_bytes(features_of(encoder, layer), shape, pixels=layer is not None)
            (staging / GOLDEN_NAME).write_bytes(golden)
        if saved_model:
            _write_saved_model(encoder, layer, staging)
        text = card_markdown(Card(files=_listed(staging), **described))
        (staging / README_NAME).write_text(text, encoding="utf-8")
        Card(files=_listed(staging), **described).write(staging / CARD_NAME)
        Card.read(staging / CARD_NAME)
    if problem:
        warn(
            f"keras_ssl.load cannot rebuild this encoder, as it is not one of keras_ssl.encoders and {problem} "
            "Its weights are written, and a SavedModel where the backend can. Keras' own model.save keeps the model as "
            "a whole.",
            stacklevel=2,
        )
    if not saved_model:
        warn(
            "A SavedModel is TensorFlow's format: on this backend only weights and card were written. To add "
            f"it, set KERAS_BACKEND=tensorflow and export what keras_ssl.load({str(path)!r}) returns.",
            stacklevel=2,
        )
    return target


def _rebuilt(encoder: keras.Model, staging: Path) -> tuple[dict[str, Any], keras.Model | None, str]:
    """The card's table of the architecture, an encoder built as `load` would, or None, and why not."""
    name, own = type(encoder).__name__, library_encoders()
    if type(encoder) is own.get(name):
        table = {"name": name, "library": True, "arguments": encoder.get_config()}
        with dtype_policy("float32"):
            return table, own[name](**table["arguments"]), ""
    table = {"name": name, "library": False, "arguments": {}}
    try:
        content = architecture_bytes(encoder)
        rebuilt = build_architecture(content)
        named, trained = named_weights(rebuilt), named_weights(encoder)
        if {key: item.shape for key, item in named.items()} != {key: item.shape for key, item in trained.items()}:
            raise ValueError("its configuration gives a model with other weights.")
    except Exception as error:  # whatever the code of a user's layer raises
        return table, None, f"{reason(error)[:500].rstrip('.')}."
    (staging / ARCHITECTURE_NAME).write_bytes(content)
    code = needed_modules(json.loads(content))
    return {**table, "file": ARCHITECTURE_NAME, **({"code": code} if code else {})}, rebuilt, ""


def _listed(folder: Path) -> tuple[CardFile, ...]:
    return tuple(CardFile.of(item, folder) for item in sorted(folder.rglob("*")) if item.is_file())


def _parts(
    model: keras.Model, preprocessing: ImagePreprocessing | str | None
) -> tuple[keras.Model, ImagePreprocessing | None]:
    """The encoder in `model`, and the layer that prepares its input."""
    own: Any = None
    if isinstance(model, SSLModel):
        encoder, own = model.encoder, model.preprocessing
    elif isinstance(model, keras.Model) and _is_loaded(model):
        encoder, own = model.layers[2], model.layers[1]
    elif isinstance(model, keras.Model) and model.built and len(encoder_shapes(model)[1]) == 2:
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
    """Whether `model` is what `load` returns: input, preprocessing, encoder, guard."""
    kinds = (keras.layers.InputLayer, ImagePreprocessing, keras.Model, NaNGuard)
    layers = getattr(model, "layers", [])
    return len(layers) == 4 and all(isinstance(layer, kind) for layer, kind in zip(layers, kinds, strict=True))


def _checked(layer: Any) -> ImagePreprocessing | None:
    if layer is not None and not isinstance(layer, ImagePreprocessing):
        raise ValueError(
            f"A card describes ImagePreprocessing or none, no other layer. Received: preprocessing={layer!r}"
        )
    return layer


def _write_saved_model(encoder: keras.Model, layer: ImagePreprocessing | None, folder: Path) -> None:
    import tensorflow as tf  # the active backend, or there would be no SavedModel

    guard = NaNGuard()

    def features(inputs: Tensor, training: bool) -> Tensor:
        if layer is None:
            return encoder(inputs, training=training)
        prepared = layer(inputs)
        made = encoder(prepared, training=training)
        return made if layer.value_range is None else guard(made, prepared)  # uint8 cannot leave its range

    shape = (None, *encoder_shapes(encoder)[0][1:])
    signature = [tf.TensorSpec(shape, _served_type(encoder, layer))]
    archive = keras.export.ExportArchive()
    archive.track(encoder)
    archive.add_endpoint("serve", lambda inputs: features(inputs, training=False), input_signature=signature)
    archive.add_endpoint("train", lambda inputs: features(inputs, training=True), input_signature=signature)
    archive.write_out(str(folder), verbose=False)
    (folder / "assets").rmdir()  # always empty here, and neither git nor a wheel would keep it


def _served_type(encoder: keras.Model, layer: ImagePreprocessing | None) -> str:
    """The type of the SavedModel's inputs: uint8 pixels; floats of another range than theirs."""
    if layer is None:
        return str(encoder.inputs[0].dtype) if getattr(encoder, "inputs", None) else "float32"
    return "uint8" if layer.value_range is None else "float32"


def _preprocessing_table(
    layer: ImagePreprocessing | None, encoder: keras.Model, recipe: Recipe | None, image_size: int | None
) -> dict[str, Any]:
    if layer is None:
        return {}
    scale = 255 if layer.value_range is None else list(layer.value_range)
    table: dict[str, Any] = {"mean": layer.mean, "std": layer.std, "scale": scale}
    if layer.clip is not None:
        table["clip"] = list(layer.clip)
    size = encoder_shapes(encoder)[0][1] if image_size is None else image_size
    if size is None and recipe is not None:
        size = recipe.sections.get("views", {}).get("size")
    return table if size is None else {**table, "size": size}


def _objective_table(model: SSLModel) -> dict[str, Any]:
    """The objective's name and its own arguments; what all objectives have stands elsewhere in the card."""
    shared = {*known_arguments(SSLModel, stop="keras."), "name", "dtype"}
    config = model.get_config()
    own = [name for name in known_arguments(type(model), stop="keras.") if name not in shared and name in config]
    return {"name": type(model).__name__, "arguments": {name: config[name] for name in own}}
