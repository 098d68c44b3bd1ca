"""The features of images, computed by a model in batches of one size."""

import keras
import numpy as np

from keras_ssl.evaluation.predict_alone import predict_alone
from keras_ssl.evaluation.validation import as_images
from keras_ssl.losses.numeric import check_integer
from keras_ssl.training.processes import Processes
from keras_ssl.typing import Tensor


def extract_features(model: keras.Model, images: Tensor, batch_size: int = 256) -> np.ndarray:
    """Runs a model over images in inference mode.

    The model's own `predict` does the work: compiled, across replicas where it has a distribution strategy,
    and without a trace on its training state. The last batch is filled up, so that only one shape is
    compiled. Where several processes train the model, all of them call this, with the same images, and all get all
    features.

    Args:
        model: any Keras model that maps a batch of images to features `[N, D]`.
        images: array `[N, ...]`, in the type that the model expects (uint8 for the models of this library).
        batch_size: images in a batch. Defaults to 256.

    Returns:
        float32 `[N, D]`.

    Raises:
        ValueError: if there are no images, one holds NaN or infinity (its number is named), `batch_size` is not
            positive, or the output is not one `[N, D]` array.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((4, 4, 3)), keras.layers.Flatten()])
    >>> extract_features(model, np.zeros((10, 4, 4, 3), "uint8"), batch_size=4).shape
    (10, 48)
    """
    images = as_images("images", images)
    batch_size = check_integer("batch_size", batch_size, 1)
    full = len(images) // batch_size * batch_size
    parts = [images[:full]] if full else []
    if full < len(images):
        # Wrapping round rather than zeros: the filling is thrown away, but must be ordinary input.
        parts.append(images[np.arange(full, full + batch_size) % len(images)])
    if keras.backend.backend() == "jax" and Processes(model).count > 1:
        outputs = [predict_alone(model, part, batch_size) for part in parts]
    else:
        outputs = [model.predict(part, batch_size=batch_size, verbose=0) for part in parts]
    if any(not isinstance(output, np.ndarray) or output.ndim != 2 for output in outputs):
        shapes = keras.tree.map_structure(lambda leaf: leaf.shape, outputs[0])
        raise ValueError(f"Argument `model` must map images to features [N, D]. Received: output of shape {shapes}")
    return np.concatenate(outputs)[: len(images)].astype(np.float32)
