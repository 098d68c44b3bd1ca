"""How sharp the loss is around the weights, as training goes on."""

from typing import Any

import keras

from keras_ssl.evaluation.interpretability.hessian_trace import hessian_trace
from keras_ssl.losses.numeric import check_integer
from keras_ssl.training import SSLModel
from keras_ssl.typing import Logs

__all__ = ["SharpnessMonitor"]


class SharpnessMonitor(keras.callbacks.Callback):
    """Logs at the end of epochs the trace of the Hessian of the loss on one batch: `hessian_trace`.

    Among models of one method with the same pretraining loss, the one of the lower trace is reported to transfer
    better. The random vectors are the same each time, so that values can be compared. Put the callback before those
    that read the logs.

    Args:
        data: the batch. For an objective of this library as `fit` takes it; for another model `(x, y)`.
        loss: a Keras loss, its name, or a function `(y, outputs)`. Defaults to None: the pretraining loss of an
            objective, or the loss that the model was compiled with.
        samples: number of random vectors, each of which costs about three backward passes. Defaults to 10.
        every: epochs from one value to the next. Defaults to 1. Each value compiles the program anew, which may take
            seconds: choose more where epochs are short.
        seed: of the random vectors. Defaults to 0.

    Raises:
        ValueError: if an argument is out of range; at the end of an epoch, if loss and data do not fit the model.

    Example:

    ```python
    model = keras_ssl.BarlowTwins(encoder)
    model.compile("adam")
    model.fit(images, epochs=20, callbacks=[keras_ssl.callbacks.SharpnessMonitor(images[:64], every=5)])
    ```

    Reference:
        Liu et al., "Same Pre-training Loss, Better Downstream: Implicit Bias Matters for Language Models", ICML 2023.
    """

    def __init__(self, data: Any, loss: Any = None, samples: int = 10, every: int = 1, seed: int = 0) -> None:
        super().__init__()
        self.data, self.loss = data, loss
        self.samples = check_integer("samples", samples, 1)
        self.every = check_integer("every", every, 1)
        self.seed = check_integer("seed", seed, 0)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is None or (epoch + 1) % self.every:
            return
        loss = self.loss
        if loss is None and not isinstance(self.model, SSLModel):
            loss = self.model.loss
        logs["hessian_trace"] = hessian_trace(self.model, loss, self.data, samples=self.samples, seed=self.seed)
