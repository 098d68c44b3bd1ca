"""First the specialized data, then the general data with a small share of the specialized as rehearsal."""

from typing import Any

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.data.from_arrays import ArrayBatches, from_arrays
from keras_ssl.data.selection.checks import check_indices, check_seed
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import permutation
from keras_ssl.typing import Tensor

__all__ = ["DualStageMixing"]

_REHEARSAL_KEY = 0x9E3779B1  # the choice of what is rehearsed must not repeat the order of an epoch


class DualStageMixing:
    """The samples of two stages of fine-tuning, which teach a specialty without losing it to general data.

    Stage 1 trains on the specialized samples alone. Stage 2 trains on all general samples and on the fraction
    `rehearsal` of the specialized ones: `round(rehearsal * n)` of `n`, chosen once by the seed, the same in every
    epoch. The order of an epoch is a pure function of the seed, the stage and the epoch.

    `rehearsal=0` is plain sequential training. Stage 2 alone with `rehearsal=1` is plain multi-task mixing.

    Args:
        specialized: indices of the specialized samples, integers `[S]`, each once; of several specialties together.
        general: indices of the general samples, integers `[G]`, each once, none of them specialized.
        rehearsal: fraction of the specialized samples in stage 2, in [0, 1]. Defaults to 1/256, the paper's choice.
        seed: in [0, 2**32). Defaults to 0.

    Raises:
        ValueError: if indices are empty, negative, given twice or on both sides, or an argument is out of range.

    Example:

    >>> mixing = DualStageMixing(specialized=np.arange(4), general=np.arange(4, 10), rehearsal=0.5)
    >>> sorted(mixing.indices(stage=1).tolist()), len(mixing.indices(stage=2))
    ([0, 1, 2, 3], 8)
    >>> data = mixing.batches(2, x=np.zeros((10, 3)), y=np.arange(10), batch_size=8)
    >>> len(data)
    1

    Reference: Dong et al., "How Abilities in Large Language Models are Affected by Supervised Fine-tuning Data
    Composition", ACL 2024.
    """

    def __init__(self, specialized: Any, general: Any, rehearsal: float = 1 / 256, seed: int = 0) -> None:
        self.specialized = check_indices("specialized", specialized)
        self.general = check_indices("general", general)
        both = np.intersect1d(self.specialized, self.general)
        if len(both):
            raise ValueError(f"`general` must hold no specialized sample. Received: general=array with {int(both[0])}")
        self.rehearsal = check_number("rehearsal", rehearsal, 0.0, 1.0)
        self.seed = check_seed(seed)

    @property
    def rehearsed(self) -> np.ndarray:
        """Indices of the specialized samples that stage 2 sees again: int64, ascending."""
        count = int(np.floor(self.rehearsal * len(self.specialized) + 0.5))
        order = permutation(len(self.specialized), self.seed, _REHEARSAL_KEY)
        return np.sort(self.specialized[order[:count]])

    def indices(self, stage: int, epoch: int = 0) -> np.ndarray:
        """The samples of an epoch of a stage, in their order.

        Args:
            stage: 1 or 2.
            epoch: the epoch's number within the stage, from 0. Defaults to 0.

        Returns:
            Int64 indices, each once.
        """
        rows = self._rows(stage)
        return rows[permutation(len(rows), self._seed(stage), check_integer("epoch", epoch, 0, 2**32 - 1))]

    def batches(self, stage: int, x: Tensor, y: Tensor | None = None, **options: Any) -> ArrayBatches:
        """The data set of a stage, for `fit`: epoch `e` sees the samples in the order `indices(stage, e)`.

        Args:
            stage: 1 or 2.
            x: inputs of all samples, `[N, ...]`.
            y: labels of all samples, `[N]`. Defaults to None.
            **options: further arguments of `from_arrays`, such as `batch_size`.

        Returns:
            A `keras.utils.PyDataset`; `index` in its batches counts in `x`.

        Raises:
            ValueError: if an index lies outside of `x`.
        """
        rows, inputs = self._rows(stage), np.asarray(x)
        if rows.max() >= len(inputs):
            raise ValueError(
                f"`x` must hold all samples, up to index {int(rows.max())}. Received: x=shape {inputs.shape}"
            )
        labels = None if y is None else np.asarray(y)[rows]
        return from_arrays(inputs[rows], labels, index=rows, seed=self._seed(stage), **options)

    def _rows(self, stage: int) -> np.ndarray:
        stage = check_integer("stage", stage, 1, 2)
        return self.specialized if stage == 1 else np.concatenate([self.general, self.rehearsed])

    def _seed(self, stage: int) -> int:
        return (self.seed + (stage - 1) * _REHEARSAL_KEY) % 2**32
