"""A model in the state of a checkpoint, for use outside `fit`."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors.numpy import load_file

from keras_ssl.callbacks.checkpoint_folder import (
    VARIABLES,
    SavedCheckpoint,
    latest_whole,
    read_checkpoint_state,
)
from keras_ssl.callbacks.training_state import state_variables
from keras_ssl.hub.weights import assign_tensors
from keras_ssl.paths import user_path
from keras_ssl.training import SSLModel
from keras_ssl.weights.named_weights import named_weights


def restore_checkpoint(model: SSLModel, path: str | os.PathLike[str]) -> int:
    """Puts a model into the state of a checkpoint that `Checkpoint` saved.

    To look at a run, say at its best epoch. (To go on with one, give `fit` the callback: it restores by itself, and
    the place in the data too.)

    Args:
        model: the objective, made as for the run. Where it is compiled its optimizer is restored too.
        path: a checkpoint, `.../step-0000001000`, or the callback's folder, for the latest whole one in it.

    Returns:
        The checkpoint's step.

    Raises:
        ValueError: if there is no whole checkpoint, the one named is damaged, or it is another model's; the model is
            then as it was.

    Example:

    ```python
    checkpoint = keras_ssl.callbacks.Checkpoint("runs/1/checkpoints", best="knn_accuracy")
    model.fit(images, epochs=100, callbacks=[keras_ssl.callbacks.OnlineKNN(x, y), checkpoint])
    keras_ssl.callbacks.restore_checkpoint(model, checkpoint.best_path)
    ```
    """
    place = Path(user_path(path))
    saved = read_checkpoint_state(place)
    if saved is not None:
        if (damage := saved.damage()) is not None:
            raise ValueError(f"This checkpoint is damaged ({damage}). Received: path={os.fspath(path)!r}")
    elif (saved := latest_whole(place)) is None:
        raise ValueError(f"There is no whole checkpoint here. Received: path={os.fspath(path)!r}")
    assign_checkpoint(model, saved)
    return saved.step


def assign_checkpoint(model: SSLModel, saved: SavedCheckpoint, new_rate: bool = False) -> None:
    """Assigns a checkpoint's variables to a model: all of them, or no optimizer's where it is not compiled.

    Args:
        model: the objective.
        saved: the checkpoint.
        new_rate: whether the optimizer keeps the learning rate that it has. Defaults to False.
    """
    tensors = load_file(saved.path / VARIABLES)
    if model.compiled:
        variables = state_variables(model)
        if new_rate:
            tensors = _with_rate(model.optimizer, tensors)
    else:
        variables = {f"model/{name}": variable for name, variable in named_weights(model).items()}
        tensors = {name: tensor for name, tensor in tensors.items() if name.startswith("model/")}
    assign_tensors(variables, tensors, model.name, str(saved.path))


def _with_rate(optimizer: Any, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A checkpoint's tensors with the learning rate of an optimizer in place of theirs.

    A number is a variable, which stands behind the count of the updates; a schedule is none.
    """
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    variables = list(optimizer.variables)
    place = next(number for number, one in enumerate(variables) if one is inner._iterations) + 1
    count = sum(name.startswith("optimizer/") for name in tensors)
    saved = [tensors[f"optimizer/{number}"] for number in range(count)]
    mine = [np.asarray(keras.ops.convert_to_numpy(one)) for one in variables if one is inner._learning_rate]
    theirs = count - len(variables) + len(mine)  # how many rates are among the saved: none or one
    saved[place : place + theirs] = mine
    others = {name: tensor for name, tensor in tensors.items() if not name.startswith("optimizer/")}
    return others | {f"optimizer/{number}": tensor for number, tensor in enumerate(saved)}
