"""Whether what a model learns from one part of the data helps or harms another, as training goes on."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_ssl.evaluation.interpretability.subset_conflict import subset_conflict
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Logs

__all__ = ["SubsetConflict"]


class SubsetConflict(keras.callbacks.Callback):
    """Logs at the end of epochs how far the gradients of subsets of the data agree.

    - `subset_agreement`: mean over pairs of subsets of the cosine between their gradients (see `subset_conflict`).
    - `subset_conflicts`: share of the pairs whose cosine is negative, where a step on one raises the loss of the other.

    The whole matrices are kept in `matrices`. Put the callback before those that read the logs.

    Args:
        subsets: `(x, y)` by name, all samples of a subset as one batch; at least two.
        loss: a Keras loss, its name, or a function `(y, outputs)`. Defaults to None: the one that the model was
            compiled with.
        every: epochs from one value to the next. Defaults to 1.

    Attributes:
        names: of the subsets, in the order of the matrices.
        matrices: the cosines by epoch (from 0), float64 `[S, S]`.

    Raises:
        ValueError: if an argument is out of range; at the end of an epoch, if the loss does not fit the model.

    Example:

    ```python
    parts = {tag: (x[rows], y[rows]) for tag, rows in benchmark.subsets["cat"].items()}
    watch = keras_ssl.callbacks.SubsetConflict(parts)
    model.fit(x, y, epochs=10, callbacks=[watch])
    print(watch.names, watch.matrices[9])
    ```

    Reference:
        Liang & Zou, "MetaShift: A Dataset of Datasets for Evaluating Contextual Distribution Shifts and Training
        Conflicts", ICLR 2022.
    """

    def __init__(self, subsets: Mapping[str, tuple[Any, Any]], loss: Any = None, every: int = 1) -> None:
        super().__init__()
        if not isinstance(subsets, Mapping) or len(subsets) < 2:
            raise ValueError(f"`subsets` must be at least two (x, y) by name. Received: subsets={type(subsets)}")
        self.subsets, self.loss = dict(subsets), loss
        self.every = check_integer("every", every, 1)
        self.names = tuple(self.subsets)
        self.matrices: dict[int, np.ndarray] = {}

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if (epoch + 1) % self.every:
            return
        loss = self.model.loss if self.loss is None else self.loss
        matrix = subset_conflict(self.model, loss, list(self.subsets.values()))
        self.matrices[epoch] = matrix
        pairs = matrix[np.triu_indices(len(matrix), 1)]
        if logs is not None:
            logs["subset_agreement"] = float(pairs.mean())
            logs["subset_conflicts"] = float((pairs < 0).mean())
