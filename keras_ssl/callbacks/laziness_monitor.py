"""Whether training is lazy: how far the tangent kernel has come from its start."""

from typing import Any

import keras
import numpy as np

from keras_ssl.evaluation.kernel_target_alignment import kernel_target_alignment
from keras_ssl.evaluation.tangent_kernel import tangent_kernel
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Logs

__all__ = ["LazinessMonitor"]


class LazinessMonitor(keras.callbacks.Callback):
    r"""Logs at the end of epochs how much the tangent kernel of a few samples has changed since training began.

    - `kernel_change`: :math:`1 - \langle K, K_0 \rangle / (|K| |K_0|)`. It stays near 0 in lazy training, where the
      network is nearly linear in its weights; features that are learned turn the kernel.
    - `kernel_alignment`, where there are targets: `kernel_target_alignment` of K. In rich training it rises; where it
      is low and the kernel does not change, generalization comes late, if at all.

    The start is where `fit` is first called with the callback; a second `fit` goes on from there. Each value takes
    `N * C` backward passes, of N samples and C outputs. Put the callback before those that read the logs.

    Args:
        x: inputs `[N, ...]`, some tens of them.
        targets: `[N]` or `[N, C]`, numbers such as -1 and 1, or one-hot rows. Defaults to None.
        network: a built model with outputs `[N, C]`. Defaults to None: the encoder of the model that is trained where
            it has one, else the model itself.
        every: epochs from one value to the next. Defaults to 1.

    Raises:
        ValueError: if an argument is out of range; when training begins, if shapes do not fit.

    Example:

    ```python
    watch = keras_ssl.callbacks.LazinessMonitor(x[:32], np.where(y[:32], 1.0, -1.0))
    model.fit(x, y, epochs=10, callbacks=[watch])
    ```

    Reference: Kumar et al., "Grokking as the Transition from Lazy to Rich Training Dynamics", ICLR 2024.
    """

    def __init__(self, x: Any, targets: Any = None, network: keras.Model | None = None, every: int = 1) -> None:
        super().__init__()
        self.x, self.targets, self.network = x, targets, network
        self.every = check_integer("every", every, 1)
        self._start: np.ndarray | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:
        if self._start is None:
            self._start = self._kernel()
            if self.targets is not None:
                kernel_target_alignment(self._start, self.targets)  # checks them

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if logs is None or self._start is None or (epoch + 1) % self.every:
            return
        kernel = self._kernel()
        length = np.linalg.norm(kernel) * np.linalg.norm(self._start)
        logs["kernel_change"] = float(1.0 - np.sum(kernel * self._start) / length) if length > 0 else 0.0
        if self.targets is not None:
            logs["kernel_alignment"] = kernel_target_alignment(kernel, self.targets)

    def _kernel(self) -> np.ndarray:
        network: Any = self.network or getattr(self.model, "encoder", self.model)
        return tangent_kernel(network, self.x)
