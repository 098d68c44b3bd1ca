"""How much of a network still does something, as training goes on."""

from typing import Any

import keras

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.interpretability.fraction_of_active_units import fraction_of_active_units, relu_activations
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Logs

__all__ = ["PlasticityMonitor"]


class PlasticityMonitor(keras.callbacks.Callback):
    """Logs at the end of epochs the share of ReLU units that fire on at least one of some inputs: `active_units`.

    A unit that fires on none gets no gradient: it is dead. Where the share falls, the network loses the ability to
    learn what comes next. `AdaptiveReplayRatio` logs the same and also acts on it. Put the callback before those that
    read the logs.

    Args:
        x: inputs `[N, ...]`, all as one batch.
        network: a built Keras model with ReLUs. Defaults to None: the encoder of the model that is trained where it has
            one, else the model itself.
        threshold: what an activation must exceed, not negative. Defaults to 0.
        every: epochs from one value to the next. Defaults to 1.

    Raises:
        ValueError: if an argument is out of range; at the end of an epoch, if the network has no ReLU.

    Example:

    ```python
    model.fit(x, y, epochs=10, callbacks=[keras_ssl.callbacks.PlasticityMonitor(x[:256])])
    ```

    Reference:
        Ma et al., "Revisiting Plasticity in Visual Reinforcement Learning: Data, Modules and Training Stages", ICLR
        2024.
    """

    def __init__(self, x: Any, network: keras.Model | None = None, threshold: float = 0.0, every: int = 1) -> None:
        super().__init__()
        self.x, self.network = x, network
        self.threshold = check_number("threshold", threshold, 0.0)
        self.every = check_integer("every", every, 1)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is None or (epoch + 1) % self.every:
            return
        network: Any = self.network or getattr(self.model, "encoder", self.model)
        logs["active_units"] = fraction_of_active_units(relu_activations(network, self.x), self.threshold)
