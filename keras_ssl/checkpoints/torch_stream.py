"""PyTorch's checkpoint format before version 1.6: five pickles one after the other, then the storages' bytes."""

import os
import struct
from io import BufferedIOBase
from typing import Any

import numpy as np

from keras_ssl.checkpoints.checkpoint_error import DAMAGED, RESAVE, CheckpointError, short
from keras_ssl.checkpoints.finish import finish
from keras_ssl.checkpoints.pickle_machine import MAX_BYTES, PickleMachine
from keras_ssl.checkpoints.storages import Storages
from keras_ssl.checkpoints.tensor_parts import Storage

_NUMBER = 0x1950A86A20F9469CFC6C
# The number as every pickle protocol writes it, after at most a dozen bytes of protocol and frame.
MAGIC = b"\x8a\x0a" + _NUMBER.to_bytes(10, "little") + b"."
MAGIC_END = 32
_PROTOCOL = 1001


def read_torch_stream(file: BufferedIOBase) -> Any:
    """The value that `torch.save` wrote before PyTorch 1.6, with NumPy arrays for tensors.

    Args:
        file: open for reading, in binary.

    Raises:
        CheckpointError: as `read_torch`.
    """
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    storages = Storages()
    machine = PickleMachine(file.read(MAX_BYTES), storages.persistent_load)
    number, position = machine.run()
    protocol, position = machine.run(position)
    system, position = machine.run(position)
    if number != _NUMBER or protocol != _PROTOCOL or type(system) is not dict:
        raise CheckpointError(f"The file has the unknown protocol {short(protocol)}. {DAMAGED}")
    if system.get("little_endian") is not True:
        raise CheckpointError(f"The file was written on a big-endian machine. {RESAVE}")
    value, position = machine.run(position)
    keys, position = machine.run(position)
    if type(keys) is not list:
        raise CheckpointError(f"The file lists its storages by {short(keys)}. {DAMAGED}")

    places: dict[str, int] = {}
    for key in keys:
        storage = storages.by_key.get(key) if type(key) is str else None
        if storage is None or key in places:
            raise CheckpointError(f"The file lists the storage {short(key)} twice or without a tensor. {DAMAGED}")
        file.seek(position)
        header = file.read(8)
        position += 8 + storage.nbytes
        if len(header) < 8 or struct.unpack("<q", header)[0] != storage.size or position > length:
            raise CheckpointError(f"The storage {short(key)} has another size, or the file ends in it. {DAMAGED}")
        places[key] = position - storage.nbytes

    def read(storage: Storage) -> np.ndarray:
        if storage.key not in places:
            raise CheckpointError(f"The file has no bytes for the storage {short(storage.key)}. {DAMAGED}")
        content = bytearray(storage.nbytes)
        file.seek(places[storage.key])
        if file.readinto(content) != storage.nbytes:
            raise CheckpointError(f"The file ends in the storage {short(storage.key)}. {DAMAGED}")
        return np.frombuffer(content, np.uint8)

    return finish(value, read, length)
