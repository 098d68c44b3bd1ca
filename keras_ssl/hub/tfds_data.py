"""Images that tensorflow_datasets downloads: it makes TFRecord shards of them, which we read."""

from typing import Any

from keras_ssl.data.image_records import ImageRecords

_TESTS = ("test", "validation")


def tfds_train(name: str, size: int | None = None) -> ImageRecords:
    """The training part of a data set of tensorflow_datasets, downloaded and prepared at the first use.

    Args:
        name: as `tfds.builder` takes it, such as "cifar10" or "imagenette/320px-v2".
        size: height and width of the images in pixels; None for that of the images, where all have one.

    Raises:
        ImportError: if the package is not installed.
        ValueError: if there is no such data set, it is not one of images, or has no part "train".
        OSError: if it cannot be downloaded.
    """
    return _part(_prepared(name), name, "train", size)


def tfds_test(name: str, size: int | None = None) -> ImageRecords | None:
    """The test part of the same, or the validation part where it has no test part with labels; None without both."""
    builder = _prepared(name)
    for split in _TESTS:
        if split in builder.info.splits:
            part = _part(builder, name, split, size)
            if part.labelled:
                return part
    return None


def _prepared(name: str) -> Any:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise ImportError(
            f"This data needs a package: pip install tensorflow-datasets. Received: data='tfds:{name}'"
        ) from error
    try:
        builder = tfds.builder(name, file_format="tfrecord")
    except (LookupError, ValueError) as error:  # DatasetNotFoundError is a ValueError, an unknown config another
        reason = (str(error).splitlines() or [""])[0]
        raise ValueError(f"tensorflow_datasets has no such data ({reason}). Received: data='tfds:{name}'") from error
    if "image" not in builder.info.features:
        raise ValueError(
            "Data of tensorflow_datasets must have the feature 'image'. "
            f"Received: data='tfds:{name}' with {sorted(builder.info.features)}"
        )
    try:
        builder.download_and_prepare()
    except Exception as error:  # each data set has ways of its own to fail
        raise OSError(f"The data cannot be downloaded ({error}). Received: data='tfds:{name}'") from error
    return builder


def _part(builder: Any, name: str, split: str, size: int | None) -> ImageRecords:
    if split not in builder.info.splits:
        raise ValueError(
            f"The data must have a part {split!r}. Received: data='tfds:{name}' with {sorted(builder.info.splits)}"
        )
    features = builder.info.features
    height, width = features["image"].shape[:2]
    if size is None:
        if height is None or height != width:
            raise ValueError(
                f"The images have several sizes: set `data.size`. Received: data='tfds:{name}' with size=None"
            )
        size = height
    records = ImageRecords([str(path) for path in builder.info.splits[split].filepaths], size)
    if records.labelled:
        records.class_names = tuple(getattr(features["label"], "names", None) or ())
    return records
