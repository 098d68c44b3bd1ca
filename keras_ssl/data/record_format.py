"""The files that `write_tfrecords` makes and `from_tfrecords` reads: names, fields, framing.

A TFRecord file is a run of records: the length of the payload (8 bytes, little-endian), a checksum of these bytes (4),
the payload, and a checksum of it (4). The payload here is a `tf.train.Example` with the fields `image` (the encoded
JPEG or PNG), `label` (where there are labels), `index` (the sample's number in the data set) and `orientation` (its
EXIF orientation, where that is not upright). A JSON file beside the shards says how many records each holds, the names
of the classes, and, where there are any, how many images are not upright (`turned`).

Source: https://www.tensorflow.org/tutorials/load_data/tfrecord (the format); Castagnoli et al., "Optimization of
cyclic redundancy-check codes with 24 and 32 parity bits", IEEE Transactions on Communications 1993 (the polynomial).
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from keras_ssl.data.utf8_name import utf8_name
from keras_ssl.regular_file import read_regular

SUMMARY = "dataset.json"
SUFFIX = ".tfrecord"
HEADER, FOOTER = 12, 4  # bytes around the payload
_MAX_BYTES = 2**28  # of the JSON file
_POLYNOMIAL = 0x82F63B78  # CRC-32C, least bit first
_MASK = 0xA282EAD8  # TensorFlow masks checksums, as those of data that hold checksums are weak


def shard_name(number: int, shards: int) -> str:
    """The name of shard `number`, from 0, of so many."""
    return f"images-{number:05d}-of-{shards:05d}{SUFFIX}"


def read_summary(folder: Path) -> dict[str, Any] | None:
    """What the JSON file beside the shards says, or None where there is none.

    Raises:
        ValueError: if it cannot be read, or lacks what it should say.
    """
    path = folder / SUMMARY
    try:
        summary = json.loads(read_regular(path, _MAX_BYTES).decode("utf-8"))
        names = tuple(utf8_name(str(name)) for name in summary["class_names"])
        known = {"count": int(summary["count"]), "class_names": names, "turned": int(summary.get("turned", 0))}
        return {**known, "shards": {str(name): int(count) for name, count in summary["shards"].items()}}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"The file {SUMMARY} beside the shards is damaged ({error!r}). Received: {path}") from error


def _table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1).astype(np.uint32)
    return table


_TABLE = _table()


def checksums(words: np.ndarray) -> np.ndarray:
    """TensorFlow's masked CRC-32C of each row of bytes, uint8 `[N, length]`: uint32 `[N]`."""
    crc = np.full(len(words), 0xFFFFFFFF, np.uint32)
    for column in words.T:
        crc = _TABLE[(crc ^ column) & 0xFF] ^ (crc >> np.uint32(8))
    crc = ~crc
    return ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(_MASK)
