"""Reading a finished run of scripts/pretrain.py."""

import os
from pathlib import Path
from typing import Any, NamedTuple

from keras_ssl.hub.parse_text import read_json, shown_path
from keras_ssl.hub.recipe import Recipe
from keras_ssl.paths import user_path
from keras_ssl.training import SSLModel

RECIPE_NAME, RUN_WEIGHTS_NAME, RESULTS_NAME = "recipe.toml", "model.weights.h5", "results.json"


class Run(NamedTuple):
    """The recipe of a run, its trained model, and what it measured at its end (empty if it kept nothing)."""

    recipe: Recipe
    model: SSLModel
    results: dict[str, Any]


def read_run(logdir: str | os.PathLike[str], weights: str = RUN_WEIGHTS_NAME) -> Run:
    """The run that `scripts/pretrain.py --logdir` left in a folder.

    Args:
        logdir: the folder, with recipe.toml, the weights and, if there is one, results.json.
        weights: name of the file of weights. Defaults to "model.weights.h5", the end of the run.

    Returns:
        The named tuple `(recipe, model, results)`; the model is not compiled.

    Raises:
        ValueError: if a file is missing or cannot be read, or the weights are not the recipe's; it is named.

    Example:

    ```python
    run = keras_ssl.hub.read_run("runs/1")
    features = run.model.predict(images)
    ```
    """
    folder = Path(user_path(logdir))
    for name in (RECIPE_NAME, weights):
        if not os.path.isfile(folder / name):  # unlike `Path.is_file`, it is false for names that no file can have
            raise ValueError(f"A finished run has a {name}, which is missing. Received: logdir={shown_path(folder)}")
    recipe = Recipe.read(folder / RECIPE_NAME)
    model = recipe.build_model()
    try:
        model.load_weights(folder / weights)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]  # Keras goes on with lists of objects
        raise ValueError(f"The weights cannot be read ({reason}). Received: {str(folder / weights)!r}") from error
    return Run(recipe, model, _results(folder / RESULTS_NAME))


def _results(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    results = read_json(path)
    if not isinstance(results, dict):
        raise ValueError(f"The results must be a table. Received: {str(path)!r} with {type(results).__name__}")
    return results
