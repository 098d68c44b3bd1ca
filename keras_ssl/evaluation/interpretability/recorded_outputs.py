"""What layers give inside of a model, whichever way the model calls them."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.typing import Tensor


def recorded_outputs(model: keras.Model, layers: Sequence[keras.layers.Layer], x: Any) -> list[tuple[int, np.ndarray]]:
    """Runs a model once, in inference mode and not compiled, and records the outputs of some of its layers.

    Args:
        model: any built model.
        layers: layers of it, at any depth, each of which returns one tensor.
        x: inputs `[N, ...]`, all as one batch.

    Returns:
        The number of the layer and its output, as float32, for each call of one, in the order of the calls.
    """
    found: list[tuple[int, np.ndarray]] = []

    def recording(number: int, call: Any) -> Any:
        def recorded(*arguments: Any, **options: Any) -> Tensor:
            outputs = call(*arguments, **options)
            found.append((number, np.asarray(keras.ops.convert_to_numpy(outputs), "float32")))
            return outputs

        return recorded

    for number, layer in enumerate(layers):
        object.__setattr__(layer, "call", recording(number, layer.call))
    try:
        model(keras.ops.convert_to_tensor(x), training=False)
    finally:
        for layer in layers:
            object.__delattr__(layer, "call")
    return found
