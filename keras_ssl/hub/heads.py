"""The rest of an objective: heads, teacher, queues and centers, to go on pretraining with."""

import os
from typing import Any

import keras

from keras_ssl.hub.card_file import CardFile
from keras_ssl.hub.catalogue import Entry, find
from keras_ssl.hub.license_gate import check_license
from keras_ssl.hub.weights import assign_variables, save_variables
from keras_ssl.training import SSLModel
from keras_ssl.weights.named_weights import named_weights

_COUNTERS = ("step", "total_updates")


def head_weights(model: SSLModel) -> dict[str, Any]:
    """The weights of an objective that are not its encoder's, under public names.

    Projector, predictor, prototypes, and state: teacher, queue, center, bank. Left out are the counters of steps and
    updates, and the running means of what is logged: they belong to a run.

    Args:
        model: the objective.

    Returns:
        Variables by name, as `named_weights` gives them.

    Raises:
        ValueError: if `model` is no `SSLModel`.
    """
    if not isinstance(model, SSLModel):
        raise ValueError(f"Only an SSLModel has heads. Received: model={model!r}")
    left_out = {id(variable) for variable in model.encoder.weights}
    left_out |= {id(variable) for metric in (model.scalars, model.test_scalars) for variable in metric.variables}
    left_out |= {id(getattr(model, name)) for name in _COUNTERS}
    return {name: variable for name, variable in named_weights(model).items() if id(variable) not in left_out}


def save_heads(model: SSLModel, path: str | os.PathLike[str]) -> None:
    """Writes `head_weights` to a safetensors file, which appears whole or not at all."""
    save_variables(head_weights(model), path)


def load_heads(
    model: keras.Model,
    path: str | os.PathLike[str],
    *,
    verify: bool = True,
    cache_dir: str | os.PathLike[str] | None = None,
    mirror: str | os.PathLike[str] | None = None,
    require_hash: bool = False,
    progress: bool = True,
    accept_license: str | None = None,
) -> None:
    """Restores heads and state that `keras_ssl.export(model, path, heads=True)` wrote, to go on pretraining.

    The model must be one of the same objective and arguments. Its encoder is left alone: make it by
    `keras_ssl.load(path, include_preprocessing=False)`. Every weight must be in the file in its shape, and nothing
    else may be; otherwise nothing changes. The optimizer's state is not part of an entry; a run that was interrupted
    is resumed from its checkpoint instead.

    Args:
        model: an `SSLModel`, as the recipe makes it.
        path: the folder that `export` wrote, or the name of an entry of the zoo.
        verify: whether to compare the sha256; the size always is, and a download is. Defaults to True.
        cache_dir: where downloaded files are kept. Defaults to `keras_ssl.hub.cache_folder()`.
        mirror: a folder or base address to download from, before those of the environment and the publisher's.
        require_hash: whether to refuse a file whose publisher gives no hash. Defaults to False.
        progress: whether to show how far a download is. Defaults to True.
        accept_license: as for `load`. Defaults to None.

    Raises:
        ValueError: if the entry has no heads, or they are in another project's checkpoint (which `keras_ssl.load` reads
            with `heads=True`), its file is not the card's, or its weights are not the model's: the message names
            those that are missing, too many or of another shape.
        DownloadError: if the file cannot be downloaded, or the cache cannot take it.

    Example:

    ```python
    encoder = keras_ssl.load("saved_models/my_encoder", include_preprocessing=False)
    model = keras_ssl.MoCo(encoder, projector=(128, 64), queue_size=4096)
    keras_ssl.load_heads(model, "saved_models/my_encoder")
    model.compile(keras_ssl.optimizers.LARS(0.2))
    model.fit(more_images, epochs=10)
    ```
    """
    head_weights(model)
    entry = find(path, cache_dir=cache_dir, require_hash=require_hash)
    card = entry.read_card()
    check_license(card, accept_license)
    file = card.heads_file
    if file is None:
        raise ValueError(
            "The entry has no heads: export the model with `heads=True` to write them. "
            f"Received: path={os.fspath(path)!r}"
        )
    if card.checkpoint:
        raise ValueError(
            "The entry's heads are in one file with its encoder: keras_ssl.load(path, heads=True) gives the objective "
            f"with both. Received: path={os.fspath(path)!r}"
        )
    assign_heads(
        model,
        entry,
        file,
        verify,
        cache_dir=cache_dir,
        mirror=mirror,
        require_hash=require_hash,
        progress=progress,
    )


def assign_heads(model: keras.Model, entry: Entry, file: CardFile, verify: bool, **where: Any) -> None:
    """Reads an entry's `heads.safetensors` into an objective; `where` is as for `Entry.locate`."""
    file, folder = entry.locate(file, **where)
    assign_variables(head_weights(model), file.read(folder, verify), model.name, str(folder / file.name))
