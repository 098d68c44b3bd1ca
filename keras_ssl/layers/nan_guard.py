"""Carries the NaN of an image past an encoder that would lose it."""

import keras

from keras_ssl.layers.pixel_scale import nan_unless
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class NaNGuard(keras.layers.Layer):
    """Features that are NaN where the image is, as `ImagePreprocessing` makes an image with values outside its range.

    Some activations of some backends make 0 of NaN (ReLU on a CPU under TensorFlow), so that the encoder would give
    features that look right.

    Inputs: features `[N, ...]`, and the prepared images that they are of, `[N, H, W, C]`, which are NaN as a whole or
    not at all. Output: the features.

    Example:

    >>> images = np.zeros((2, 4, 4, 3), "float32")
    >>> images[1] = float("nan")
    >>> features = NaNGuard()(np.ones((2, 1), "float32"), images)
    >>> np.isnan(features)[:, 0].tolist()
    [False, True]
    """

    def call(self, features: Tensor, images: Tensor) -> Tensor:
        first = images[(slice(None), *[0] * (len(images.shape) - 1))]
        return nan_unless(keras.ops.logical_not(keras.ops.isnan(first)), features)

    def compute_output_shape(
        self, features_shape: tuple[int | None, ...], images_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return features_shape
