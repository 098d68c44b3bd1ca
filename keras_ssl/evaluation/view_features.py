"""The features of several views of each image, as LiDAR and alignment take them."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.evaluation.validation import as_images
from keras_ssl.losses.numeric import check_integer
from keras_ssl.training import SSLModel, Step
from keras_ssl.typing import Tensor


def view_features(
    model: SSLModel, images: Tensor, views: int = 10, batch_size: int = 256, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The encoder's features, in inference mode, of views that the model's own pipeline makes of each image.

    Of a pipeline with crops of several sizes the views of the first one's size are taken. The views are a function of
    `seed` and the image's place alone, so models with one pipeline see the same ones; the model is left as it is.

    Args:
        model: an objective, for its `views`, preprocessing and encoder.
        images: `[N, H, W, C]`, uint8 or floating in [0, 1].
        views: of each image. Defaults to 10.
        batch_size: images in a batch. Defaults to 256.
        seed: of the views. Defaults to 0.

    Returns:
        `(features, groups)`: float32 `[N * views, D]`, and int64 `[N * views]`, the number of the image that a row
        is a view of: what `lidar` takes.

    Raises:
        ValueError: if `model` is no `SSLModel`, there are no images, one holds NaN or infinity (its number is named) or
            values outside their range, or an argument is out of range.

    Example:

    >>> from keras_ssl import SimCLR, encoders, views
    >>> model = SimCLR(encoders.ConvNet((4, 8)), views=views.MultiView([views.Identity(), views.RandomFlip()]))
    >>> features, groups = view_features(model, np.zeros((3, 8, 8, 3), "uint8"), views=2)
    >>> features.shape, groups.tolist()
    ((6, 8), [0, 1, 2, 0, 1, 2])
    """
    if not isinstance(model, SSLModel):
        raise ValueError(f"Argument `model` must be an SSLModel, which makes views. Received: model={model!r}")
    array = as_images("images", images)
    model.check_values(array)
    views, seed = check_integer("views", views, 1), check_integer("seed", seed, 0)
    batch_size = min(check_integer("batch_size", batch_size, 1), len(array))
    maker = _ViewMaker(model, seed)
    found: list[np.ndarray] = []
    step = 0
    while len(found) < views:
        made: list[list[np.ndarray]] = []
        for start in range(0, len(array), batch_size):
            # The last batch is filled up: each shape would be compiled anew.
            places = np.arange(start, start + batch_size)
            batch = maker.predict_on_batch((array[places % len(array)], places.astype("int32"), np.array([step])))
            made.append([view for view in batch if view.shape == batch[0].shape])
        for parts in zip(*made, strict=True):
            found.append(extract_features(model.encoder, np.concatenate(parts)[: len(array)], batch_size))
        step += 1
    return np.concatenate(found[:views]), np.tile(np.arange(len(array)), views)


class _ViewMaker(keras.Model):
    """A model whose prediction is the views: so they are made by a compiled program on every backend."""

    def __init__(self, model: SSLModel, seed: int) -> None:
        super().__init__(name="view_maker")
        self._owner = [model]  # in a list, Keras does not take it for a part of this model
        self._seed = seed
        self.built = True
        # Under TensorFlow `make_views` brings a program of its own, which a model that was trained has already.
        self.compile(jit_compile=keras.backend.backend() == "jax" and getattr(model.views, "supports_jit", False))

    def call(self, inputs: Any) -> list[Tensor]:
        images, places, step = inputs
        context = replace(Step.at(1, training=False, seed=self._seed), index=step[0], position=places)
        return self._owner[0].make_views({"x": images}, context)
