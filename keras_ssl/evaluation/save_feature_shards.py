"""Features of a data set in shards: by one process that may be killed, or by many."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.ordered_inputs import OrderedInputs
from keras_ssl.data.utf8_name import utf8_name
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.open_features import MANIFEST, check_shard, read_manifest, shard_paths
from keras_ssl.evaluation.save_features import labels_by_name
from keras_ssl.hub.atomic import atomic_file, remove_leftovers
from keras_ssl.losses.numeric import check_integer
from keras_ssl.messages import warn
from keras_ssl.paths import user_path

_LEFT = 3600.0  # seconds after which an unfinished file is one of a killed process
_SAME = 0.99  # cosine, and ratio of lengths, of an image's features by one model on two machines


def save_feature_shards(
    folder: str | os.PathLike[str],
    model: keras.Model,
    data: EpochBatches,
    batch_size: int = 256,
    shard_size: int = 8192,
    shard: Sequence[int] = (0, 1),
) -> int:
    """Writes the features of a data set to a folder of .npz files, or goes on with what is there.

    Each file holds the features of `shard_size` samples in their order, as `save_features` writes them, with the
    samples' `numbers`, and appears whole or not at all. Files that are there are checked and kept; a damaged one is
    named in a warning and written again. `embedding.json` says what the files are of: other data, another model, image
    size or size of shards is refused. `open_features` reads the folder.

    Args:
        folder: is made where it is missing; the folder above it must exist.
        model: any built Keras model that maps a batch of images to features `[N, D]`.
        data: of `from_folder`, `from_arrays` or `from_tfrecords`.
        batch_size: images in a batch. Defaults to 256.
        shard_size: samples of a file. Defaults to 8192.
        shard: `(i, n)`, which of `n` processes this is, from 0: it writes every n-th file. Defaults to (0, 1).

    Returns:
        The number of rows in the files of this process.

    Raises:
        ValueError: if an argument is out of range, the folder is of other data or another model, or as
            `extract_features`.
        OSError: if the folder cannot be written to.
    """
    shard_size = check_integer("shard_size", shard_size, 1)
    batch_size = check_integer("batch_size", batch_size, 1)
    place, places = check_part(shard)
    target = Path(user_path(folder))
    if not target.absolute().parent.is_dir():  # before the work is done
        raise ValueError(f"The folder of `path` must exist. Received: path={os.fspath(folder)!r}")
    target.mkdir(exist_ok=True)
    embedding = _claim(target, model, data, batch_size, shard_size)
    labels = labels_by_name(data)
    rows = 0
    for number, path in enumerate(shard_paths(target, data.count, shard_size)):
        if number % places != place:
            continue
        there = _rows_there(path, embedding)
        if there is None:
            numbers = np.arange(number * shard_size, min((number + 1) * shard_size, data.count))
            there = _write(path, model, OrderedInputs(data, numbers, batch_size), labels, embedding)
        rows += there
    return rows


def check_part(shard: Any) -> tuple[int, int]:
    """Which of how many processes: `(i, n)` with i from 0 to n - 1.

    Raises:
        ValueError: if it is no such pair.
    """
    pair = tuple(shard) if isinstance(shard, Sequence) and not isinstance(shard, str) else ()
    if len(pair) != 2 or not all(isinstance(part, int | np.integer) for part in pair) or not 0 <= pair[0] < pair[1]:
        raise ValueError(f"`shard` must be (i, n) with i from 0 to n - 1. Received: shard={shard!r}")
    return int(pair[0]), int(pair[1])


def _write(path: Path, model: keras.Model, inputs: OrderedInputs, labels: np.ndarray | None, embedding: str) -> int:
    remove_leftovers(path, _LEFT)
    features = extract_features(model, inputs, inputs.batch_size)
    rows = np.delete(np.arange(len(features)), sorted(inputs.undecoded))
    numbers = inputs.numbers[rows]
    arrays = {
        "features": features[rows],
        "names": np.array([utf8_name(inputs.data.sample_name(int(number))) for number in numbers], np.str_),
        "numbers": numbers,
        "embedding": np.array(embedding),
    }
    if labels is not None:
        arrays["labels"] = labels[numbers]
    with atomic_file(path) as staging, open(staging, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # its other keyword has no place here
    return len(rows)


def _rows_there(path: Path, embedding: str) -> int | None:
    """The rows of a shard that is whole; None where it must be written."""
    if not path.exists():
        return None
    try:
        return check_shard(path, embedding)
    except LookupError:
        raise ValueError(
            f"`out` holds a shard of other data or another model. Received: out={str(path.parent)!r} with {path.name}"
        ) from None
    except Exception as error:  # of a damaged file, each layer has errors of its own
        warn(f"A damaged shard is written again: {path} ({type(error).__name__}: {error})", stacklevel=4)
        return None


def _claim(folder: Path, model: keras.Model, data: EpochBatches, batch_size: int, shard_size: int) -> str:
    """Writes what the folder is of, or compares it with what is there.

    Returns:
        The identity of the embedding, which all of its shards hold.

    Raises:
        ValueError: if the folder is of something else.
    """
    first = _first_features(model, data, batch_size)
    ours = {
        "count": data.count,
        "shard_size": shard_size,
        "image_size": getattr(getattr(data, "source", None), "size", None),
        "dimension": len(first),
        "data": data.fingerprint(),
        "model": _weights_hash(model),
    }
    embedding = hashlib.sha256(json.dumps(ours, sort_keys=True).encode()).hexdigest()
    theirs = read_manifest(folder)
    if theirs is None:
        with atomic_file(folder / MANIFEST) as staging:
            text = json.dumps({"embedding": embedding, **ours, "first": first.tolist()}, indent=1)
            staging.write_text(text, encoding="utf-8")
        return embedding
    other = [name for name, value in ours.items() if theirs.get(name) != json.loads(json.dumps(value))]
    if not other and not _alike(first, np.asarray(theirs.get("first", ()), np.float32)):
        other = ["first features"]  # the same weights, and another pooling or preprocessing
    if other:
        raise ValueError(
            f"`out` holds the features of other data or another model: they differ in {', '.join(other)}. "
            f"Received: out={str(folder)!r}"
        )
    return embedding


def _first_features(model: keras.Model, data: EpochBatches, batch_size: int) -> np.ndarray:
    """The features of the first sample that can be decoded, or of zeros where none of the first batch can."""
    inputs = OrderedInputs(data, np.arange(min(batch_size, data.count)), batch_size)
    features = extract_features(model, inputs, batch_size)
    whole = np.flatnonzero(np.isfinite(features).all(axis=1))
    return features[whole[0]] if len(whole) else np.zeros(features.shape[1], np.float32)


def _weights_hash(model: keras.Model) -> str:
    digest = hashlib.sha256()
    for weight in model.weights:
        array = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
        digest.update(f"{array.shape} {array.dtype}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _alike(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two features are of one image by one model, on other machines or in other precisions perhaps."""
    if one.shape != other.shape:
        return False
    lengths = float(np.linalg.norm(one)), float(np.linalg.norm(other))
    return bool(one @ other >= _SAME * lengths[0] * lengths[1]) and min(lengths) >= _SAME * max(lengths)
