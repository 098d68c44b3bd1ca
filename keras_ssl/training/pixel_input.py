"""Pixels on their way into the encoder: one scale in training and in use."""

import warnings
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.layers.image_preprocessing import ImagePreprocessing
from keras_ssl.layers.pixel_scale import (
    ANY_VALUE,
    can_leave,
    check_batched,
    check_pixels,
    from_unit_range,
    inside,
    nan_unless,
    range_of,
    to_unit_range,
)
from keras_ssl.training.batch import check_columns, check_inputs, is_views
from keras_ssl.training.encoder_front import Shape, encoder_shapes, own_scaling, takes_integers
from keras_ssl.training.step import Step
from keras_ssl.typing import Tensor
from keras_ssl.views.multi_view import MultiView
from keras_ssl.views.view import View, to_unit_float


class PixelInput(keras.Model):
    """The part of `SSLModel` that knows the scale of its inputs. See `SSLModel` for what each method promises.

    Views work in [0, 1]. What they give is put back on the scale of the data before a preprocessing layer of the
    user's, or an encoder without any, because that is the scale it gets in use.
    """

    encoder: keras.Model
    views: Any
    preprocessing: Any
    value_range: tuple[float, float] | None
    explicit_views: bool
    _shapes: tuple[Shape, Shape]

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        if args and (isinstance(args[0], np.ndarray) or _is_arrays(args[0])):
            self.check_values(args[0])
        return super().__call__(*args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """The encoder's features of arrays or a data set, as `keras.Model.predict`.

        Raises:
            ValueError: if arrays hold a value outside their range, are of a type that has no scale, or are one sample.
        """
        if isinstance(x, np.ndarray) or keras.ops.is_tensor(x):
            check_batched("x", x, len(self._shapes[0]))
            self.check_values(x)
        elif _is_arrays(x):
            self.check_values(x)
        return super().predict(x, *args, **kwargs)

    def encoder_input(self, images: Tensor, check: bool = True) -> Tensor:
        """What the encoder is given of images in use, and of ready-made views in training.

        Args:
            images: on the scale of the data.
            check: whether `ImagePreprocessing` makes an image NaN that has values outside its range. Defaults to True.
        """
        if isinstance(self.preprocessing, ImagePreprocessing):
            if check:
                return self.preprocessing(images)
            return self.preprocessing.normalize(self.preprocessing.to_unit_range(images))
        if self._has_scale:
            images = keras.ops.convert_to_tensor(images)
            # As in training, where the encoder gets floats; a cast to them would lose the levels of half precision.
            images = images if takes_integers(self.encoder) else keras.ops.cast(images, "float32")
        return images if self.preprocessing is None else self.preprocessing(images)

    def check_form(self, x: Any) -> None:
        """Raises a `ValueError` if inputs, or ready-made views, do not fit the encoder by shape or type; of a table, if
        a column is missing or unknown."""
        if self._takes_columns:
            check_columns(x, self.encoder.input)
            return
        for part in x if is_views(x) else (x,):
            self._check_type(dtype_of(part))
        check_inputs(x, self._shapes[0], finished=not self.explicit_views)
        if not is_views(x) and not self.explicit_views and self._for_images_alone:
            raise ValueError(f"{self._no_views} Received: x.shape={tuple(x.shape)}")

    def check_values(self, x: Any) -> None:
        """Raises a `ValueError` that names the first sample with values outside their range, where there is one.

        Args:
            x: array or tensor `[N, ...]`, or a tuple of ready-made views; or a dict of columns, of which the encoder
                tells the values that are allowed (its method `check_values`).
        """
        if self._takes_columns:
            check_columns(x, self.encoder.input, least=1)
            check = getattr(self.encoder, "check_values", None)
            if check is not None:
                check(x)
            return
        for place, part in enumerate(x if is_views(x) else (x,)):
            self._check_type(dtype_of(part))
            if self._has_scale:
                check_pixels(f"x[{place}]" if is_views(x) else "x", part, self.value_range)

    def _check_type(self, dtype: str) -> None:
        if self._has_scale and ("int" in dtype or dtype == "bool"):
            range_of(dtype, self.value_range)  # raises for a type without a scale
        elif dtype in ("uint8", "uint16") and not self._has_scale and self.preprocessing is None and self._needs_scale:
            raise ValueError(
                "The encoder takes no images [N, H, W, C], so nothing scales its inputs: give the model `value_range` "
                "(such as (0, 255)) or a `preprocessing` layer, or cast them to floats of the scale that the encoder "
                f"expects. Received: x of type {dtype}"
            )

    def _views_of_parts(self, parts: Any, step: Step, views: Any) -> list[Tensor]:
        """The k-th pipeline's view of the k-th part, each with draws of its own."""
        pipelines: Any = [views] * len(parts)
        if isinstance(views, MultiView):
            pipelines = views.views
        if len(pipelines) != len(parts) or not isinstance(views, View):
            raise ValueError(
                "Of ready-made views, each goes through the pipeline of its place: `views` must be a view, or a "
                "`MultiView` of as many pipelines; leave `views` out to take them as they are. "
                f"Received: {len(parts)} ready-made views, views={self.views!r}"
            )
        stream = step.view_stream()
        return [
            pipeline.apply(to_unit_float(self._to_unit(part)), stream)
            for pipeline, part in zip(pipelines, parts, strict=True)
        ]

    def _to_unit(self, images: Tensor) -> Tensor:
        """The images as views take them: in [0, 1], where they have a scale."""
        return to_unit_range(images, self.value_range) if self._has_scale else images

    def nan_outside(self, images: Any, values: Tensor) -> Tensor:
        """Floating values `[n, ...]` of the samples of `images`, NaN where an image has values outside its range.

        Taken of what comes out of the networks: some activations make 0 of the NaN that is put in.
        """
        if self._has_scale:
            for part in images if is_views(images) else (images,):
                if can_leave(dtype_of(part), self.value_range):
                    values = nan_unless(inside(part, self.value_range), values)
        return values

    def _from_view(self, view: Tensor, dtype: str) -> Tensor:
        """The encoder's input that belongs to a view of images of type `dtype`."""
        if isinstance(self.preprocessing, ImagePreprocessing):
            return self.preprocessing.normalize(view)
        if self._has_scale:
            view = from_unit_range(view, dtype, self.value_range)
        return view if self.preprocessing is None else self.preprocessing(view)

    def _as_ready_made(self, views: list[Tensor], images: Tensor) -> list[Tensor]:
        """Views as `encoder_input` takes them, of images of the type of `images`."""
        if not self._has_scale:
            return views
        dtype = "float32" if isinstance(self.preprocessing, ImagePreprocessing) else dtype_of(images)
        return [from_unit_range(view, dtype, self.value_range) for view in views]

    @property
    def _has_scale(self) -> bool:
        """Whether inputs are pixels, whose scale is known: images, or what a range was declared for."""
        declared = self.value_range is not None or isinstance(self.preprocessing, ImagePreprocessing)
        return declared or (not self._takes_columns and len(self._shapes[0]) == 4)

    @property
    def _takes_columns(self) -> bool:
        return isinstance(self._shapes[0], dict)

    @property
    def _needs_scale(self) -> bool:
        return not takes_integers(self.encoder) and own_scaling(self.encoder) is None

    @property
    def _for_images_alone(self) -> bool:
        """Whether the views are for images and the encoder takes something else."""
        return isinstance(self.views, View) and (self._takes_columns or len(self._shapes[0]) != 4)

    @property
    def _no_views(self) -> str:
        return (
            f"The default views of {type(self).__name__} are for images [N, H, W, C]. Pass `views`, a function of "
            "`(inputs, stream)` that returns a list of views, or give `fit` ready-made views as a tuple, `x=(a, b)`."
        )


def default_preprocessing(
    encoder: keras.Model, value_range: Sequence[float] | None = None
) -> ImagePreprocessing | None:
    """What `preprocessing="auto"` stands for: see `SSLModel`."""
    shape = encoder_shapes(encoder)[0]
    if isinstance(shape, dict):
        return None
    scaling = own_scaling(encoder)
    if isinstance(scaling, ImagePreprocessing):
        # It takes floats in [0, 1], or in its own range.
        return ImagePreprocessing(0.0, 1.0, value_range) if scaling.value_range is None else None
    if scaling is not None:
        warnings.warn(
            f'The encoder begins with {type(scaling).__name__}, so `preprocessing="auto"` leaves the pixels to it: it '
            "gets them on the scale of the data, which is 0 to 255 for uint8 images and 0 to 1 for floating ones. "
            f"Received: encoder with the layer {scaling.name!r}",
            stacklevel=3,
        )
        return None
    if len(shape) != 4:
        return None if value_range is None else ImagePreprocessing(0.0, 1.0, value_range)
    if shape[-1] == 3:
        return ImagePreprocessing(value_range=value_range)
    return ImagePreprocessing(mean=0.5, std=0.25, value_range=value_range)


def model_scale(encoder: keras.Model, preprocessing: Any, value_range: Any) -> tuple[Any, Any]:
    """The preprocessing and the range of values of a model, from its arguments.

    Views work in [0, 1], so the range must be finite: of a layer that takes any value, mean and standard deviation are
    put on the scale of `value_range`.

    Raises:
        ValueError: if the layer has another range, or there is no finite one.
    """
    if isinstance(preprocessing, ImagePreprocessing) and preprocessing.value_range == ANY_VALUE:
        if value_range is None:
            raise ValueError(
                "Views work in [0, 1]: beside a `preprocessing` that takes any value, `value_range` must say the "
                "lowest and the highest that the images have. "
                f"Received: value_range=None, preprocessing={preprocessing!r}"
            )
        preprocessing = _on_scale(preprocessing, *value_range)
    if isinstance(encoder_shapes(encoder)[0], dict) and (
        value_range is not None or isinstance(preprocessing, ImagePreprocessing)
    ):
        raise ValueError(
            "Columns of a table are no pixels: an encoder of columns takes neither `value_range` nor an "
            f"`ImagePreprocessing`. Received: value_range={value_range}, preprocessing={preprocessing!r}"
        )
    if isinstance(preprocessing, str) and preprocessing == "auto":
        preprocessing = default_preprocessing(encoder, value_range)
        scaling = own_scaling(encoder)
        if preprocessing is None and isinstance(scaling, ImagePreprocessing) and value_range is None:
            value_range = scaling.value_range
    elif isinstance(preprocessing, ImagePreprocessing) and value_range != preprocessing.value_range:
        if value_range is None:
            return preprocessing, preprocessing.value_range
        if preprocessing.value_range is not None:
            raise ValueError(
                "`value_range` must be that of `preprocessing`. "
                f"Received: value_range={value_range}, preprocessing with value_range={preprocessing.value_range}"
            )
        config = {**preprocessing.get_config(), "value_range": value_range}
        preprocessing = type(preprocessing).from_config(config)
    return preprocessing, value_range


def _on_scale(layer: ImagePreprocessing, low: float, high: float) -> ImagePreprocessing:
    """The same map of values as that of a layer that takes any, by way of [0, 1]."""
    mean = (np.asarray(layer.mean) - low) / (high - low)
    std = np.asarray(layer.std) / (high - low)
    config = {**layer.get_config(), "mean": mean.tolist(), "std": std.tolist(), "value_range": (low, high)}
    return type(layer).from_config(config)


def _is_arrays(x: Any) -> bool:
    """Whether `x` is a dict of arrays of the host: columns of a table."""
    return isinstance(x, dict) and bool(x) and all(isinstance(column, np.ndarray) for column in x.values())


def dtype_of(images: Any) -> str:
    dtype = np.asarray(images).dtype.name if not hasattr(images, "dtype") else images.dtype
    return dtype.name if isinstance(dtype, np.dtype) else keras.backend.standardize_dtype(dtype)
