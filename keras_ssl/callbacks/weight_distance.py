"""How far the weights have come from where they began."""

import keras
import numpy as np

from keras_ssl.typing import Logs

__all__ = ["WeightDistance"]


class WeightDistance(keras.callbacks.Callback):
    """Logs at the end of each epoch how far the trainable weights lie from their values at the start.

    - `weight_distance`: `||w - w_0||`, over all trainable weights together. In SGD it grows like the logarithm of the
      number of updates ("ultra-slow diffusion"): large batches that make fewer updates stay nearer to the start.
    - `relative_weight_distance`: `||w - w_0|| / ||w_0||`, 0 where `w_0` is 0. It is near 0 in lazy training, where the
      model is nearly linear in its weights.

    Distances are those of the device's weights, in float64. The start is where `fit` is first called with the callback;
    a second `fit` goes on from there. Put the callback before those that read the logs.

    Example:

    ```python
    model.fit(images, epochs=10, callbacks=[keras_ssl.callbacks.WeightDistance()])
    ```

    Reference: Hoffer, Hubara and Soudry, "Train longer, generalize better: closing the generalization gap in large
    batch training of neural networks", NeurIPS 2017.
    """

    def __init__(self) -> None:
        super().__init__()
        self._start: list[np.ndarray] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self._start is None:
            self._start = self._weights()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is None or self._start is None:
            return
        pairs = zip(self._weights(), self._start, strict=True)
        distance = float(np.sqrt(sum(np.sum(np.square(now - before)) for now, before in pairs)))
        length = float(np.sqrt(sum(np.sum(np.square(before)) for before in self._start)))
        logs["weight_distance"] = distance
        logs["relative_weight_distance"] = distance / length if length > 0 else 0.0

    def _weights(self) -> list[np.ndarray]:
        variables = self.model.trainable_variables
        return [np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(v, "float32")), "float64") for v in variables]
