"""The features of images, computed by a model in batches of one size."""

from typing import Any

import keras
import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.from_arrays import from_arrays
from keras_ssl.data.ordered_inputs import OrderedInputs
from keras_ssl.evaluation.predict_alone import predict_alone
from keras_ssl.evaluation.validation import as_images
from keras_ssl.layers.pixel_scale import check_not_cast
from keras_ssl.losses.numeric import check_integer
from keras_ssl.training.processes import Processes
from keras_ssl.typing import Tensor


def extract_features(
    model: keras.Model, images: Tensor | dict[str, Tensor] | EpochBatches | OrderedInputs, batch_size: int = 256
) -> np.ndarray:
    """Runs a model over images in inference mode.

    The model's own `predict` does the work: compiled, across replicas where it has a distribution strategy,
    and without a trace on its training state. The last batch of arrays is filled up, so that only one shape is
    compiled. Where several processes train the model, all of them call this, with the same images, and all get all
    features.

    Args:
        model: any Keras model that maps a batch of images to features `[N, D]`.
        images: array `[N, ...]`, in the type that the model expects (uint8 for the models of this library); a dict of
            columns `[N]`; or a data set of `keras_ssl.data` (`from_folder`, `from_arrays`, `from_tfrecords`), each
            sample of which is taken once, in the order of its numbers and not in that of training. Files are read batch
            by batch.
        batch_size: images in a batch. Defaults to 256.

    Returns:
        float32 `[N, D]`. Of a data set, a row is NaN where the image cannot be decoded; a warning names its file.

    Raises:
        ValueError: if there are no images, one holds NaN or infinity (its number is named), they are floats where the
            model's `Input` is one of integers, `batch_size` is not positive, or the output is not one `[N, D]` array.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((4, 4, 3)), keras.layers.Flatten()])
    >>> extract_features(model, np.zeros((10, 4, 4, 3), "uint8"), batch_size=4).shape
    (10, 48)
    """
    batch_size = check_integer("batch_size", batch_size, 1)
    alone = keras.backend.backend() == "jax" and Processes(model).count > 1
    if isinstance(images, dict):
        images = from_arrays(images, batch_size=batch_size, shuffle=False, drop_remainder=False)
    if isinstance(images, EpochBatches):
        images = OrderedInputs(images, batch_size=batch_size)
    if isinstance(images, OrderedInputs):
        return _of_data(model, images, alone)
    array = as_images("images", images)
    check_not_cast("images", array, model)
    full = len(array) // batch_size * batch_size
    parts = [array[:full]] if full else []
    if full < len(array):
        # Wrapping round rather than zeros: the filling is thrown away, but must be ordinary input.
        parts.append(array[np.arange(full, full + batch_size) % len(array)])
    if alone:
        outputs = [predict_alone(model, part, batch_size) for part in parts]
    else:
        outputs = [model.predict(part, batch_size=batch_size, verbose=0) for part in parts]
    return _joined(outputs)[: len(array)]


def _of_data(model: keras.Model, data: OrderedInputs, alone: bool) -> np.ndarray:
    if alone:
        outputs = [predict_alone(model, data[number][0], data.batch_size) for number in range(len(data))]
    else:
        outputs = [model.predict(data, verbose=0)]
    return data.without_undecoded(_joined(outputs))


def _joined(outputs: list[Any]) -> np.ndarray:
    if any(not isinstance(output, np.ndarray) or output.ndim != 2 for output in outputs):
        shapes = keras.tree.map_structure(lambda leaf: leaf.shape, outputs[0])
        raise ValueError(f"Argument `model` must map images to features [N, D]. Received: output of shape {shapes}")
    return np.concatenate(outputs).astype(np.float32)
