"""The storages that a checkpoint's pickle names."""

from typing import Any

from keras_ssl.checkpoints.checkpoint_error import DAMAGED, RESAVE, CheckpointError, short
from keras_ssl.checkpoints.pickle_names import Name
from keras_ssl.checkpoints.tensor_parts import Storage, make_storage


class Storages:
    """The storages of a file by key, each with one dtype and one size."""

    def __init__(self) -> None:
        self.by_key: dict[str, Storage] = {}

    def persistent_load(self, identifier: Any) -> Storage:
        """The storage of a persistent id: the word "storage", its class, key, device and size, maybe a view.

        Raises:
            CheckpointError: if it is none, or differs from what the file said of this storage before.
        """
        if type(identifier) is not tuple or not 5 <= len(identifier) <= 6 or identifier[0] != "storage":
            what = identifier[0] if type(identifier) is tuple and identifier else identifier
            raise CheckpointError(f"The file refers to {short(what)}: it holds a pickled model. {RESAVE}")
        kind, key, size = identifier[1], identifier[2], identifier[4]
        if not isinstance(kind, Name) or kind.dtype is None:
            raise CheckpointError(f"A storage has the type {short(kind)}. {DAMAGED}")
        storage = make_storage(kind.dtype, key, size, *identifier[5:])
        first = self.by_key.setdefault(storage.key, storage)
        if (first.dtype, first.size) != (storage.dtype, storage.size):
            raise CheckpointError(f"The storage {short(key)} has two types or sizes. {DAMAGED}")
        return storage
