"""The encoder of an entry, without its trained weights."""

from typing import Any

import keras

from keras_ssl.hub.architecture_file import build_architecture
from keras_ssl.hub.card import Card
from keras_ssl.hub.catalogue import Entry


def entry_encoder(entry: Entry, card: Card, verify: bool, changes: dict[str, Any], **where: Any) -> keras.Model:
    """Builds what an entry's card describes: a class of this library, or the model of its architecture file.

    Args:
        entry: the entry.
        card: its card.
        verify: whether to compare the sha256 of a file beside the card; a download always is.
        changes: arguments in place of the card's.
        **where: as for `Entry.locate`.

    Raises:
        ValueError: if the encoder cannot be built, or `changes` are given for one that is not of this library.
        DownloadError: if its file cannot be downloaded.
    """
    file = card.architecture_file
    if file is None:
        return card.build_encoder(**changes)
    if changes:
        raise ValueError(
            "Only an encoder of keras_ssl.encoders takes another image size or pooling. "
            f"Received: {', '.join(changes)} for the architecture {card.architecture['name']!r}"
        )
    found, folder = entry.locate(file, **where)
    content = found.read(folder, verify)
    with card.naming(f"encoder {card.architecture['name']}"):
        return build_architecture(content)
