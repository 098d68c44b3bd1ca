"""Exports an encoder: a finished run of `keras-ssl pretrain`, or an entry of the zoo, in one format or more.

    keras-ssl export --logdir=runs/1 --output=saved_models/my_encoder
    keras-ssl export --entry=barlow_digits --output=served/barlow --format=onnx,litert,openvino

The first form writes a folder with SavedModel, weights and card. The second writes served/barlow.onnx and so on, and
prints the largest difference from Keras, the size, and the time for one image. With KERAS_BACKEND=tensorflow the first
adds the SavedModel to the weights of a run that was made on JAX.
"""

import os
import tempfile
from typing import Any

import keras
from absl import flags

import keras_ssl
from keras_ssl.cli.common import no_arguments, user_errors
from keras_ssl.hub.formats import check_format
from keras_ssl.messages import say
from keras_ssl.workflows.training_run import check_new_entry

_LOGDIR = flags.DEFINE_string("logdir", None, "Folder of the run, with recipe.toml and model.weights.h5.")
_ENTRY = flags.DEFINE_string("entry", None, "Name or folder of an entry of the zoo, in place of --logdir.")
_FORMAT = flags.DEFINE_list(
    "format", ["saved_model"], "saved_model (a folder with card and weights), onnx, litert, openvino, with commas."
)
_SIZE = flags.DEFINE_integer("image_size", None, "Side of the images by which other formats are compared.")
_OUTPUT = flags.DEFINE_string("output", None, "Folder to write.", required=True)
flags.DEFINE_alias("out", "output")
_NAME = flags.DEFINE_string("name", None, "The entry's name. Default: that of the folder.")
_DESCRIPTION = flags.DEFINE_string("description", "", "A sentence or two for the card.")
_DATA = flags.DEFINE_string("data", None, "What it was trained on, for the card. Default: the recipe's.")
_LICENSE = flags.DEFINE_string("license", "", "Of the weights: an SPDX name. Default: none is given.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Whether to replace an entry.")


def main(argv: list[str]) -> None:
    no_arguments(argv)
    with user_errors():
        if (_LOGDIR.value is None) is (_ENTRY.value is None):
            raise ValueError(f"Give --logdir or --entry. Received: logdir={_LOGDIR.value!r}, entry={_ENTRY.value!r}")
        others = [name for name in dict.fromkeys(_FORMAT.value) if name != "saved_model"]
        for name in others:
            check_format(name)
        folder = "saved_model" in _FORMAT.value
        if folder:
            check_new_entry("output", _OUTPUT.value, _OVERWRITE.value)
        source: Any
        recipe: Any = None
        results: dict[str, Any] = {}
        data = ""
        if _ENTRY.value is not None:
            source = keras_ssl.load(_ENTRY.value)
        elif _LOGDIR.value is not None:
            recipe, source, results = keras_ssl.hub.read_run(_LOGDIR.value)
            data = str(recipe.sections.get("data", {}).get("name", ""))
        with tempfile.TemporaryDirectory() as drafts:
            entry = _OUTPUT.value if folder else os.path.join(drafts, "entry")
            if folder or _ENTRY.value is None:  # of a run, other formats are made of what `load` builds
                keras_ssl.export(
                    source,
                    entry,
                    name=_NAME.value,
                    description=_DESCRIPTION.value,
                    data=data if _DATA.value is None else _DATA.value,
                    license=_LICENSE.value,
                    results=results,
                    recipe=recipe,
                    overwrite=_OVERWRITE.value,
                )
                source = keras_ssl.load(entry) if others else source
        if folder:
            say(f"Exported to {_OUTPUT.value}: keras_ssl.load({_OUTPUT.value!r})")
        for name in others:
            _write_other(source, name)


def _write_other(model: keras.Model, name: str) -> None:
    written = keras_ssl.hub.write_format(model, _OUTPUT.value, name, size=_SIZE.value)
    sizes = "images of any size" if written.any_size else "images of one size"
    say(
        f"{written.path}: {written.size / 1e6:.2f} MB, {sizes}, differs from Keras by {written.difference:.1e} of the "
        f"largest feature, {written.milliseconds:.1f} ms an image (Keras {written.keras_milliseconds:.1f})"
    )
