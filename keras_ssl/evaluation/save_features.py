"""Features in a file, with the names of what they are features of."""

import csv
import importlib.util
import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.utf8_name import utf8_name
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.hub.atomic import atomic_file
from keras_ssl.paths import user_path


def save_features(path: str | os.PathLike[str], model: keras.Model, data: EpochBatches, batch_size: int = 256) -> int:
    """Writes the features of a data set to a file, a row for each sample, with its name and its class.

    The name is the file's path relative to the folder of `from_folder`, "shard, record number" of `from_tfrecords`, the
    row's number of `from_arrays`. The class is its name where the data set has names, else its number. Images that
    cannot be decoded are left out. Bytes of names that are no UTF-8 are written as in `keras_ssl.data.utf8_name`.

    Args:
        path: a file that ends in `.npz` (arrays `features`, float32 `[N, D]`, `names` and, where there are labels,
            `labels`, both `[N]`), in `.csv` (columns name, label, 0, 1, ...) or in `.parquet` (columns name, label, and
            features, lists of float32; needs pyarrow). What is there is replaced, once the new file is whole.
        model: any Keras model that maps a batch of images to features `[N, D]`.
        data: of `from_folder`, `from_arrays` or `from_tfrecords`.
        batch_size: images in a batch. Defaults to 256.

    Returns:
        The number of rows.

    Raises:
        ValueError: if `path` ends otherwise, `data` is no data set of this library, or as `extract_features`.
        OSError: if the file cannot be written.
        ImportError: for `.parquet`, without pyarrow.

    Example:

    >>> import tempfile
    >>> from keras_ssl.data import from_arrays
    >>> model = keras.Sequential([keras.layers.Input((2, 2, 1)), keras.layers.Flatten()])
    >>> data = from_arrays(np.zeros((3, 2, 2, 1), "uint8"), y=[4, 5, 6], batch_size=2)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     rows = save_features(f"{folder}/features.csv", model, data)
    ...     print(open(f"{folder}/features.csv").read().splitlines()[1])
    0,4,0.0,0.0,0.0,0.0
    """
    kind = check_features_path("path", path)
    if not isinstance(data, EpochBatches):
        raise ValueError(
            "Argument `data` must be a data set of keras_ssl.data; for arrays use "
            f"`keras_ssl.data.from_arrays`. Received: data of type {type(data).__name__}"
        )
    inputs = data.inputs(batch_size)
    features = extract_features(model, inputs, batch_size)
    rows = np.delete(np.arange(len(features)), sorted(inputs.undecoded))
    names = [utf8_name(data.sample_name(int(row))) for row in rows]
    labels = labels_by_name(data)
    with atomic_file(path) as staging:
        if kind == ".npz":
            arrays: dict[str, Any] = {"features": features[rows], "names": np.array(names)}
            if labels is not None:
                arrays["labels"] = labels[rows]
            with open(staging, "wb") as binary:
                np.savez(binary, **arrays)
        elif kind == ".parquet":
            _write_parquet(staging, names, None if labels is None else labels[rows], features[rows])
        else:
            with open(staging, "w", encoding="utf-8", newline="") as text:
                writer = csv.writer(text)
                head = ["name"] if labels is None else ["name", "label"]
                writer.writerow([*head, *range(features.shape[1])])
                for name, row in zip(names, rows, strict=True):
                    label = [] if labels is None else [labels[row]]
                    writer.writerow([name, *label, *features[row].tolist()])
    return len(rows)


def check_features_path(argument: str, path: str | os.PathLike[str]) -> str:
    """The ending of a file for features; an error that names the argument where it cannot be written.

    Raises:
        ValueError: if it ends otherwise than `save_features` knows, or its folder is missing.
        ImportError: for `.parquet`, without pyarrow.
    """
    place = Path(user_path(path))
    kind = place.suffix.lower()
    received = f"Received: {argument}={os.fspath(path)!r}"
    if kind not in (".npz", ".csv", ".parquet"):
        raise ValueError(f"Argument `{argument}` must end in .npz, .csv or .parquet. {received}")
    if kind == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise ImportError(f"Parquet files are written by pyarrow: pip install pyarrow. {received}")
    if not place.absolute().parent.is_dir():
        raise ValueError(f"The folder of `{argument}` must exist. {received}")
    return kind


def _write_parquet(path: Path, names: list[str], labels: np.ndarray | None, features: np.ndarray) -> None:
    import pyarrow
    from pyarrow import parquet

    columns = {"name": pyarrow.array(names)} | ({} if labels is None else {"label": pyarrow.array(labels.tolist())})
    values = pyarrow.array(np.asarray(features, np.float32).ravel())
    columns["features"] = pyarrow.FixedSizeListArray.from_arrays(values, features.shape[1])
    parquet.write_table(pyarrow.table(columns), path)


def labels_by_name(data: EpochBatches) -> np.ndarray | None:
    """The classes of all samples, by name where they have one."""
    labels, names = data.labels, getattr(data, "class_names", ())
    if labels is None or not names:
        return labels
    texts = np.array([*names, ""])  # the last is that of -1, unlabeled
    return texts[np.where((labels >= 0) & (labels < len(names)), labels, len(names))]
