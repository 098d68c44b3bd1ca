"""The base class of all view ops."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

import keras
import numpy as np

from keras_ssl.layers.pixel_scale import to_unit_range
from keras_ssl.random import Stream
from keras_ssl.signature_config import signature_config
from keras_ssl.typing import Tensor


def to_unit_float(images: Tensor) -> Tensor:
    """uint8 and uint16 images as float32 in [0, 1]; float images as float32, their values unchanged.

    Args:
        images: array or tensor `[N, H, W, C]` of dtype uint8, uint16 or of a floating dtype; only N may be unknown.

    Returns:
        float32 tensor `[N, H, W, C]`.

    Raises:
        ValueError: for another rank or dtype, or if H, W or C is unknown.
    """
    if not hasattr(images, "dtype"):
        images = np.asarray(images)
    shape = tuple(images.shape)
    if len(shape) != 4 or None in shape[1:]:
        raise ValueError(
            "Argument `images` must be a batch [N, H, W, C] of known height, width and channels. "
            f"Received: images.shape={shape}"
        )
    return to_unit_range(images)


class View:
    """A random (or fixed) change of every image in a batch, as a small object that can be saved.

    A view holds its settings and no state. It is called with images and a `Stream`, from which it draws
    separate numbers for every sample; the same seed, step and positions give the same result, in any batch,
    eager or compiled.

    A subclass writes `__init__`, which validates and keeps each argument under its name, and `apply`. It is
    registered with `keras.saving.register_keras_serializable`, and can be checked with `keras_ssl.testing.check_view`.

    Attributes:
        supports_jit: whether `apply` compiles under XLA.
        is_random: whether different steps give different results.
        unit_range: whether images in [0, 1] stay in [0, 1].
        makes_list: whether the result is a list of views instead of one.
        whole_batch: whether an image's result depends on the other images of the batch.
        colors: whether the view takes the channels for red, green and blue, so that images must have 1 or 3 of them.
        sums_neighbors: whether each pixel of the result is a sum over many of the image (a resize, a blur). It is only
            about speed: a program of its own begins with such a view (see `ViewPrograms`).

    Example:

    >>> import keras
    >>> import numpy as np
    >>> from keras_ssl.random import Stream
    >>> from keras_ssl.views import View
    >>> @keras.saving.register_keras_serializable(package="example")
    ... class Dim(View):
    ...     def apply(self, images, stream):
    ...         return images * keras.ops.reshape(stream.uniform(0.5, 1.0), (-1, 1, 1, 1))
    >>> stream = Stream(seed=0, step=0, positions=np.arange(2))
    >>> tuple(Dim()(np.zeros((2, 8, 8, 3), "uint8"), stream).shape)
    (2, 8, 8, 3)
    """

    supports_jit: bool = True
    makes_list: bool = False
    whole_batch: bool = False
    sums_neighbors: bool = False
    colors: bool = False

    @property
    def is_random(self) -> bool:
        return True

    @property
    def unit_range(self) -> bool:
        return True

    def __call__(self, images: Tensor, stream: Stream) -> Any:
        """Applies the view.

        Args:
            images: `[N, H, W, C]`, uint8 (divided by 255), uint16 (by 65535) or floating point (taken as it is).
            stream: the numbers of these N samples.

        Returns:
            float32 tensor `[N, H', W', C]` (of `MultiView`, a list of such).
        """
        return self.apply(to_unit_float(images), stream)

    def apply(self, images: Tensor, stream: Stream) -> Any:
        """Computes the view of float32 images `[N, H, W, C]`."""
        raise NotImplementedError(f"{type(self).__name__} must define `apply(images, stream)`.")

    def get_config(self) -> dict[str, Any]:
        """The arguments of `__init__`, as plain JSON types, collected from its signature."""
        return signature_config(self, View)

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """The view that `get_config` describes."""
        return cls(**config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, View) and type(other) is type(self) and other.get_config() == self.get_config()

    def __hash__(self) -> int:
        return hash((type(self), json.dumps(self.get_config(), sort_keys=True)))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{key}={value!r}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({arguments})"


def serialize_view(view: View) -> dict[str, Any]:
    """The registered name and the config of a view that another view holds, as plain JSON types.

    `keras.saving.serialize_keras_object` would import TensorFlow, under any backend.
    """
    return {"class_name": keras.saving.get_registered_name(type(view)), "config": view.get_config()}


_made: ContextVar[dict[str, View] | None] = ContextVar("made", default=None)


@contextmanager
def equal_views_once() -> Iterator[None]:
    """Inside the block `deserialize_view` makes one object of equal configs.

    A view holds no state, and one object is compiled once, however often it occurs (see `ViewPrograms`).
    """
    token = _made.set({} if _made.get() is None else _made.get())
    try:
        yield
    finally:
        _made.reset(token)


def deserialize_view(config: dict[str, Any]) -> View:
    """The inverse of `serialize_view`."""
    made = _made.get()
    if made is None:
        return _view_of(config)
    key = json.dumps(config, sort_keys=True)
    if key not in made:
        made[key] = _view_of(config)
    return made[key]


def _view_of(config: dict[str, Any]) -> View:
    view_class = keras.saving.get_registered_object(config["class_name"])
    if not (isinstance(view_class, type) and issubclass(view_class, View)):
        raise ValueError(
            "A view's class must be registered with `keras.saving.register_keras_serializable`. "
            f"Received: class_name={config['class_name']!r}"
        )
    return view_class.from_config(config["config"])
