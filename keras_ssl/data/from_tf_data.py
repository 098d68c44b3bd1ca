"""Images of a tf.data dataset, in memory."""

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_ssl.losses.numeric import check_integer

__all__ = ["from_tf_data"]

_NAMES = ("x", "image", "images")
_MOST_BYTES = 2**33


def is_tf_data(data: Any) -> bool:
    """Whether this is a `tf.data.Dataset`; TensorFlow is not imported for it."""
    tensorflow = sys.modules.get("tensorflow")
    return tensorflow is not None and isinstance(data, tensorflow.data.Dataset)


def from_tf_data(data: Any, most_bytes: int = _MOST_BYTES) -> np.ndarray:
    """Reads all images of a `tf.data.Dataset` into an array: training draws them in an order of its own.

    Args:
        data: a dataset that ends, of images `[H, W, C]` of one size, or of batches of them. An element is the image; a
            tuple whose first part it is; or a dict with the key x, image or images. Labels are left out.
        most_bytes: the most memory that the images may take. Defaults to `8 * 2**30`, 8 GiB.

    Returns:
        The images `[N, H, W, C]`, of the dataset's type, in its order.

    Raises:
        ValueError: if `most_bytes` is no positive integer, the dataset never ends or is empty, its elements are no
            images, they differ in size, or they take more memory.

    Example:

    ```python
    images = from_tf_data(tf.data.Dataset.from_tensor_slices(numpy_images).map(sharpened))
    model = keras_ssl.pretrain(images, out="runs/sharp")
    ```
    """
    check_integer("most_bytes", most_bytes, 1)
    if int(data.cardinality()) == -1:
        raise ValueError("`data` must end: `take` so many elements of it. Received: a tf.data.Dataset without an end")
    parts: list[np.ndarray] = []
    total = 0
    for element in data.as_numpy_iterator():
        image = np.asarray(_image_of(element))
        if image.ndim not in (3, 4):
            raise ValueError(
                "`data` must hold images [H, W, C] or batches of them. "
                f"Received: a tf.data.Dataset of elements of shape {image.shape}"
            )
        part = image if image.ndim == 4 else image[np.newaxis]
        if parts and part.shape[1:] != parts[0].shape[1:]:
            raise ValueError(
                "`data` must hold images of one size: resize them by `map`. "
                f"Received: a tf.data.Dataset with images of shapes {parts[0].shape[1:]} and {part.shape[1:]}"
            )
        parts.append(part)
        total += part.nbytes
        if total > most_bytes:
            raise ValueError(
                f"`data` must take at most {most_bytes / 2**30:g} GiB of memory: write image files, which are "
                f"streamed. Received: a tf.data.Dataset with more, after {sum(map(len, parts)):,} images"
            )
    if not parts:
        raise ValueError("`data` must hold images. Received: a tf.data.Dataset without elements")
    return np.concatenate(parts)


def _image_of(element: Any) -> Any:
    if isinstance(element, tuple | list) and element:
        return _image_of(element[0])
    if isinstance(element, Mapping):
        name = next((name for name in _NAMES if name in element), None)
        if name is None:
            raise ValueError(
                f"Elements of `data` must have the key {', '.join(_NAMES)}. Received: a tf.data.Dataset with keys "
                f"{', '.join(map(str, element))}"
            )
        return _image_of(element[name])
    return element
