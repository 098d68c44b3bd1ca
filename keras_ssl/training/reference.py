"""Frozen models that an objective refers to by name: teachers, towers."""

import importlib
import os
from typing import Any

import keras
import numpy as np

from keras_ssl.messages import warn
from keras_ssl.training.encoder_front import own_scaling
from keras_ssl.typing import Tensor


class Reference:
    """A frozen model that is named in a config and never saved with the objective that uses it.

    Its weights are no weights of the objective: they are in no checkpoint, no optimizer and no export. A plain object,
    so that Keras does not track the model in it.

    Args:
        source: a name of `keras_ssl.list_models()`, a folder that `keras_ssl.export` wrote, or a built `keras.Model`,
            with which an objective trains but cannot be saved.

    Raises:
        ValueError: if `source` is none of these, or cannot be loaded.

    Example:

    ```python
    teacher = Reference("barlow_digits")
    features = teacher(images)
    ```
    """

    def __init__(self, source: str | os.PathLike[str] | keras.Model) -> None:
        if isinstance(source, keras.Model):
            self.source, self.model = None, source
            _warn_of_scaling(source)
        elif isinstance(source, str | os.PathLike):
            self.source = os.fspath(source)
            # By its name, because the zoo is built on objectives.
            self.model = importlib.import_module("keras_ssl.hub").load(self.source, trainable=False)
        else:
            raise ValueError(
                f"A reference must be the name of a model, a folder or a keras.Model. Received: {source!r}"
            )
        if not self.model.built or len(self.model.output_shape) != 2:
            raise ValueError(
                "A reference must be built and map a batch to features [N, D]. "
                f"Received: {self.model.name} with output shape {getattr(self.model, 'output_shape', None)}"
            )

    @property
    def width(self) -> int:
        """Width D of the features."""
        return int(self.model.output_shape[-1])

    def __call__(self, inputs: Tensor) -> Tensor:
        """The features `[N, D]` of inputs, in inference mode and without gradient.

        Raises:
            ValueError: if the inputs are of another size than the model takes.
        """
        have, want = tuple(getattr(inputs, "shape", ())), self.model.input_shape
        if isinstance(want, tuple) and (
            len(have) != len(want)
            or any(a != b and None not in (a, b) for a, b in zip(have[1:], want[1:], strict=True))
        ):
            raise ValueError(
                f"The reference {self.model.name!r} takes inputs of shape {want}: put keras.layers.Resizing before it, "
                f"or give views of that size. Received: inputs of shape {have}"
            )
        return keras.ops.stop_gradient(self.model(inputs, training=False))

    @property
    def argument(self) -> str:
        """The name or folder that the reference was made from.

        Raises:
            ValueError: if the reference was given as a model.
        """
        if self.source is None:
            raise ValueError(
                "An objective that refers to a model in memory cannot be saved: export the model with "
                "keras_ssl.export, and give the folder. "
                f"Received: {self.model.name}"
            )
        return self.source

    def __deepcopy__(self, memo: dict[int, Any]) -> "Reference":
        return self  # frozen: a copy would only take memory


def _warn_of_scaling(model: keras.Model) -> None:
    scaling = own_scaling(model)
    if isinstance(scaling, keras.layers.Rescaling) and np.max(np.abs(scaling.scale)) < 0.1:
        warn(
            "The teacher begins with a Rescaling of pixels from 0 to 255, and is given images in [0, 1]: put "
            "keras.layers.Rescaling(255.0) before it. "
            f"Received: teacher={model.name!r} with the layer {scaling.name!r}"
        )
