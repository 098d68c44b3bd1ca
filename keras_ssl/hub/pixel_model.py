"""A functional model that sees the type of the images which the caller passes."""

import os
import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.layers.image_preprocessing import ImagePreprocessing
from keras_ssl.layers.pixel_scale import Range, check_batched, check_pixels, range_of, to_unit_range
from keras_ssl.typing import Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class PixelModel(keras.Model):
    """A functional model of an `ImagePreprocessing` and an encoder: uint8, uint16 or [0, 1] floating images in.

    Keras casts the inputs of a functional model to the type of its `Input`, here float32, so that it could not be seen
    any more whether 1.0 was white or nearly black. This one scales integers by their type before. A model around it
    must not cast them either: give it `keras.Input(shape, dtype="uint8")` for uint8 images. uint8 images that were
    cast to floats give NaN, because floats must lie in [0, 1] (see `keras_ssl.layers.ImagePreprocessing`); a warning
    says so where the model is called on an `Input` of floats.

    Args:
        inputs: a `keras.Input` of floats.
        outputs: what an `ImagePreprocessing` and an encoder give for it.
        **kwargs: as for `keras.Model`.
    """

    @property
    def value_range(self) -> Range | None:
        """The declared range of pixels, or None: their type decides."""
        return next((layer.value_range for layer in self.layers if isinstance(layer, ImagePreprocessing)), None)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        images = args[0] if args else None
        if isinstance(images, np.ndarray):
            check_batched("images", images, len(self.input_shape))
            check_pixels("images", images, self.value_range)
        elif isinstance(images, keras.KerasTensor) and self.value_range is None:
            _warn_of_cast(images)
        return super().__call__(*args, **kwargs)

    def call(self, inputs: Tensor, training: bool | None = None, mask: Any = None) -> Tensor:
        return super().call(self._as_floats(inputs), training=training, mask=mask)

    def _as_floats(self, images: Tensor) -> Tensor:
        images = keras.ops.convert_to_tensor(images)
        dtype = keras.backend.standardize_dtype(images.dtype)
        if "float" in dtype:
            return images
        range_of(dtype, self.value_range)  # raises for a type without a scale
        return keras.ops.cast(images, "float32") if self.value_range is not None else to_unit_range(images)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The features of arrays or a data set, as `keras.Model.predict`.

        Raises:
            ValueError: if arrays hold a value outside their range (the sample is named), are of a type that has no
                scale, or are a single image.
        """
        if isinstance(x, np.ndarray) or keras.ops.is_tensor(x):
            check_batched("x", x, len(self.input_shape))
            check_pixels("x", x, self.value_range)
        return super().predict(x, *args, **kwargs)

    def export(
        self,
        filepath: str | os.PathLike[str],
        format: str = "tf_saved_model",
        verbose: Any = None,
        input_signature: Sequence[Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """As `keras.Model.export`; what is written takes uint8 images, unless `input_signature` says otherwise."""
        if input_signature is None:
            input_signature = [keras.InputSpec(dtype="uint8", shape=self.input_shape)]
        super().export(filepath, format=format, verbose=verbose, input_signature=input_signature, **kwargs)


def _warn_of_cast(images: keras.KerasTensor) -> None:
    history = getattr(images, "_keras_history", None)
    if "float" in images.dtype and history is not None and isinstance(history.operation, keras.layers.InputLayer):
        warnings.warn(
            "The model is called on an Input of floats, which must lie in [0, 1]. Keras casts uint8 images to floats "
            "from 0 to 255, and those give NaN: for uint8 images begin with "
            f'keras.Input(shape, dtype="uint8"), also in keras.Sequential. Received: images.dtype={images.dtype}',
            stacklevel=3,
        )
