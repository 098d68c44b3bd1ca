"""A model in the state of a checkpoint, for use outside `fit`."""

import os
from pathlib import Path

from safetensors.numpy import load_file

from keras_ssl.callbacks.checkpoint_folder import (
    VARIABLES,
    SavedCheckpoint,
    read_checkpoint_state,
    saved_checkpoints,
)
from keras_ssl.callbacks.training_state import state_variables
from keras_ssl.hub.weights import assign_tensors, named_weights
from keras_ssl.training import SSLModel


def restore_checkpoint(model: SSLModel, path: str | os.PathLike[str]) -> int:
    """Puts a model into the state of a checkpoint that `Checkpoint` saved.

    To look at a run, say at its best epoch. (To go on with one, give `fit` the callback: it restores by itself, and
    the place in the data too.)

    Args:
        model: the objective, made as for the run. Where it is compiled its optimizer is restored too.
        path: a checkpoint, `.../step-0000001000`, or the callback's folder, for the latest in it.

    Returns:
        The checkpoint's step.

    Raises:
        ValueError: if there is no whole checkpoint, or it is another model's; the model is then as it was.

    Example:

    ```python
    checkpoint = keras_ssl.callbacks.Checkpoint("runs/1/checkpoints", best="knn_accuracy")
    model.fit(images, epochs=100, callbacks=[keras_ssl.callbacks.OnlineKNN(x, y), checkpoint])
    keras_ssl.callbacks.restore_checkpoint(model, checkpoint.best_path)
    ```
    """
    saved = read_checkpoint_state(Path(path)) or next(reversed(saved_checkpoints(Path(path))[0]), None)
    if saved is None:
        raise ValueError(f"There is no whole checkpoint here. Received: path={os.fspath(path)!r}")
    assign_checkpoint(model, saved)
    return saved.step


def assign_checkpoint(model: SSLModel, saved: SavedCheckpoint) -> None:
    """Assigns a checkpoint's variables to a model: all of them, or no optimizer's where it is not compiled."""
    tensors = load_file(saved.path / VARIABLES)
    if model.compiled:
        variables = state_variables(model)
    else:
        variables = {f"model/{name}": variable for name, variable in named_weights(model).items()}
        tensors = {name: tensor for name, tensor in tensors.items() if name.startswith("model/")}
    assign_tensors(variables, tensors, model.name, str(saved.path))
