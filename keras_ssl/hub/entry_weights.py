"""The weights of an entry, found or downloaded, put into a model."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import keras

from keras_ssl.hub.cached_file import file_hash, file_state
from keras_ssl.hub.card import Card
from keras_ssl.hub.card_file import CardFile
from keras_ssl.hub.catalogue import Entry
from keras_ssl.hub.heads import assign_heads
from keras_ssl.hub.load_checkpoint import assign_mapped, mapped_checkpoint
from keras_ssl.hub.weights import assign_weights
from keras_ssl.training import SSLModel


def assign_entry_weights(
    entry: Entry, card: Card, model: keras.Model, verify: bool, adapt: bool = False, **where: Any
) -> None:
    """Reads the weights of an entry into an encoder, or into an objective: its encoder and its heads.

    Args:
        entry: the entry.
        card: its card.
        model: as the card describes it; an objective, where the entry has heads.
        verify: whether to compare the sha256 of a file beside the card; a download always is.
        adapt: whether the first kernel is made to fit the model's channels. Defaults to False.
        **where: as for `Entry.locate`.

    Raises:
        ValueError: if a file is not the card's, or its weights are not the model's.
        DownloadError: if a file cannot be downloaded.
    """
    heads = card.heads_file if isinstance(model, SSLModel) else None
    if card.checkpoint:
        paths = _checked(entry, card.weight_files if heads is None else [heads], verify, **where)
        path = paths[card.checkpoint["path"] if heads is None else heads.name][0]
        how = {key: card.checkpoint[key] for key in ("keys", "prefixes") if key in card.checkpoint}
        mapped, variables = mapped_checkpoint(model, path, **how, adapt=adapt)
        for path, state in paths.values():
            if file_state(path) != state:
                raise ValueError(f"A file was written to while it was read. Received: path={str(path)!r}")
        assign_mapped(mapped, variables)
        return
    (file,) = card.weight_files
    file, folder = entry.locate(file, **where)
    encoder = model.encoder if isinstance(model, SSLModel) else model
    assign_weights(encoder, file.read(folder, verify), str(folder / file.name), adapt)
    if heads is not None:
        assign_heads(model, entry, heads, verify, **where)


def _checked(entry: Entry, files: Iterable[CardFile], verify: bool, **where: Any) -> dict[str, tuple[Path, Any]]:
    """Where the files are and which state was checked, by their names in the card."""
    checked = {}
    for file in files:
        found, folder = entry.locate(file, **where)
        path = folder / found.name
        try:
            state = file_state(path)
            # The file may be another one than that which was found in the cache a moment ago.
            digest = file_hash(path) if verify or folder != entry.folder else found.sha256
        except OSError as error:
            raise ValueError(
                f"A file of the entry cannot be read ({error.strerror}). Received: path={str(path)!r}"
            ) from error
        found.check(path, state.size, digest)
        checked[file.name] = (path, state)
    return checked
