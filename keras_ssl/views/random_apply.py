"""Apply a view to some of the images."""

from typing import Any, Self

import keras
from keras import ops

from keras_ssl.random import Stream
from keras_ssl.typing import Tensor
from keras_ssl.views.functional.per_sample import per_sample
from keras_ssl.views.validation import check_probability
from keras_ssl.views.view import View, deserialize_view, serialize_view


@keras.saving.register_keras_serializable(package="keras_ssl")
class RandomApply(View):
    """Applies a view to each image with the given probability, and leaves the other images as they are.

    The view is computed for all images (compiled code has no per-sample branches) and then selected: exactly
    the view's result at probability 1, exactly the images at 0.

    Args:
        op: the view; it must keep the images' shape.
        probability: in [0, 1]; default 0.5.

    Raises:
        ValueError: if `op` is not a view, for another probability, and when called if `op` changes the shape.

    Example:

    >>> from keras_ssl.views import GaussianBlur, RandomApply
    >>> view = RandomApply(GaussianBlur(), probability=0.5)
    >>> RandomApply.from_config(view.get_config()) == view
    True
    """

    def __init__(self, op: View, probability: float = 0.5) -> None:
        if not isinstance(op, View) or op.makes_list:
            raise ValueError(f"Argument `op` must be a view that gives one result. Received: op={op!r}")
        self.op = op
        self.probability = check_probability("probability", probability)
        self.supports_jit = op.supports_jit
        self.whole_batch = op.whole_batch
        self.sums_neighbors = op.sums_neighbors
        self.colors = op.colors

    @property
    def is_random(self) -> bool:
        return self.probability > 0.0 and (self.probability < 1.0 or self.op.is_random)

    @property
    def unit_range(self) -> bool:
        return self.probability == 0.0 or self.op.unit_range

    def apply(self, images: Tensor, stream: Stream) -> Tensor:
        chosen = per_sample(stream.bernoulli(self.probability), dtype="bool")
        changed = self.op.apply(images, stream)
        if tuple(changed.shape[1:]) != tuple(images.shape[1:]):
            raise ValueError(
                "Argument `op` must keep the images' shape, for its results are mixed with unchanged images. "
                f"Received: op={self.op!r} for images of shape {tuple(images.shape[1:])}"
            )
        return ops.where(chosen, changed, images)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "op": serialize_view(self.op), "probability": self.probability}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**{**config, "op": deserialize_view(config["op"])})
