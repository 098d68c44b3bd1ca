"""Exports the encoder of a finished run of scripts/pretrain.py: SavedModel, weights and card.

    python scripts/export.py --logdir=runs/1 --output=saved_models/my_encoder

With KERAS_BACKEND=tensorflow it adds the SavedModel to the weights of a run that was made on JAX.
"""

from _cli import new_entry, no_arguments, user_errors
from absl import app, flags

import keras_ssl

_LOGDIR = flags.DEFINE_string(
    "logdir", None, "Folder of the run, with recipe.toml and model.weights.h5.", required=True
)
_OUTPUT = flags.DEFINE_string("output", None, "Folder to write.", required=True)
_NAME = flags.DEFINE_string("name", None, "The entry's name. Default: that of the folder.")
_DESCRIPTION = flags.DEFINE_string("description", "", "A sentence or two for the card.")
_DATA = flags.DEFINE_string("data", None, "What it was trained on, for the card. Default: the recipe's.")
_LICENSE = flags.DEFINE_string("license", "", "Of the weights: an SPDX name. Default: none is given.")
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "Whether to replace an entry.")


def main(argv: list[str]) -> None:
    no_arguments(argv)
    with user_errors():
        new_entry("output", _OUTPUT.value, _OVERWRITE.value)
        recipe, model, results = keras_ssl.hub.read_run(_LOGDIR.value)
        keras_ssl.export(
            model,
            _OUTPUT.value,
            name=_NAME.value,
            description=_DESCRIPTION.value,
            data=str(recipe.sections.get("data", {}).get("name", "")) if _DATA.value is None else _DATA.value,
            license=_LICENSE.value,
            results=results,
            recipe=recipe,
            overwrite=_OVERWRITE.value,
        )
    print(f"Exported to {_OUTPUT.value}: keras_ssl.load({_OUTPUT.value!r})")


if __name__ == "__main__":
    app.run(main)
