"""PyTorch's checkpoint format since version 1.6: a zip archive of a pickle and one member for each storage."""

import os
from io import BufferedIOBase
from typing import Any

import numpy as np

from keras_ssl.checkpoints.checkpoint_error import DAMAGED, RESAVE, CheckpointError, short
from keras_ssl.checkpoints.finish import finish
from keras_ssl.checkpoints.pickle_machine import MAX_BYTES, PickleMachine
from keras_ssl.checkpoints.storages import Storages
from keras_ssl.checkpoints.tensor_parts import Storage
from keras_ssl.checkpoints.zip_members import Member, zip_members

MAGIC = b"PK\x03\x04"


def read_torch_zip(file: BufferedIOBase, members: dict[str, Member] | None = None) -> Any:
    """The value that `torch.save` wrote to a zip archive, with NumPy arrays for tensors.

    Args:
        file: open for reading, in binary.
        members: what the archive's directory says, where it was read before. Defaults to None.

    Raises:
        CheckpointError: as `read_torch`.
    """
    members = zip_members(file) if members is None else members
    root = _root(members)
    order = members.get(f"{root}/byteorder")
    if order is not None and order.size < 16 and order.read(file).tobytes() != b"little":
        raise CheckpointError(f"The file was written on a big-endian machine. {RESAVE}")
    pickled = members[f"{root}/data.pkl"]
    if pickled.size > MAX_BYTES:
        raise CheckpointError(f"The pickle in the archive has {pickled.size} bytes, more than {MAX_BYTES}. {RESAVE}")
    storages = Storages()
    value, _ = PickleMachine(pickled.read(file).tobytes(), storages.persistent_load).run()

    def read(storage: Storage) -> np.ndarray:
        member = members.get(f"{root}/data/{storage.key}")
        if member is None or member.size != storage.nbytes:
            raise CheckpointError(
                f"The archive has {'nothing' if member is None else f'{member.size} bytes'} for the storage "
                f"{short(storage.key)} of {storage.nbytes} bytes. {DAMAGED}"
            )
        return member.read(file)

    return finish(value, read, file.seek(0, os.SEEK_END))


def _root(members: dict[str, Member]) -> str:
    """The name of the folder that holds everything."""
    roots = [name.removesuffix("/data.pkl") for name in members if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise CheckpointError(f"The zip archive is not a PyTorch checkpoint: {len(roots)} members data.pkl. {RESAVE}")
    if any(name.startswith(f"{roots[0]}/code/") or name == f"{roots[0]}/constants.pkl" for name in members):
        raise CheckpointError(f"The file is a TorchScript program, which holds code. {RESAVE}")
    return roots[0]
