"""Batches that hold several images of each identity."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.fingerprint import array_fingerprint
from keras_ssl.data.from_arrays import _column, _inputs, _rows
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import permutation
from keras_ssl.typing import Tensor

__all__ = ["identity_batches"]


def identity_batches(
    x: Tensor,
    y: Tensor,
    *,
    batch_size: int = 256,
    images: int | Sequence[int] = 2,
    seed: int = 0,
    epoch: int = 0,
) -> "IdentityBatches":
    """Makes a data set whose batches hold several images of each identity (class), for losses that compare them.

    Each batch is a dict: `"x"`, `"y"` and `"index"`, of `batch_size / images` groups of `images` different images of
    one identity. In an epoch every image is used at most once; an identity gives as many whole groups as it has images
    for, and the groups come in random order, so that two of one identity may meet in a batch. What is left over (other
    images in each epoch), and images of -1, are not used. All is a pure function of the seed and the epoch.

    Args:
        x: the images, an array `[N, ...]` of rank 2 or more.
        y: their identities, integers `[N]`.
        batch_size: images in a batch, a multiple of each number of `images`. Defaults to 256.
        images: of an identity in a group, at least 1. Defaults to 2. A sequence tells it for each epoch in turn, and
            the last one stays: the authors of identity-guided self-distillation take 2, 4, 6 and 8.
        seed: integer in [0, 2**32). Defaults to 0.
        epoch: number of the first epoch. Defaults to 0.

    Returns:
        A `keras.utils.PyDataset`, for `fit`.

    Raises:
        ValueError: if lengths differ, an array has the wrong rank or type, `batch_size` is no multiple of `images`, or
            too few groups can be made to fill a batch.

    Example:

    >>> data = identity_batches(np.zeros((12, 4, 4, 3)), np.arange(12) // 4, batch_size=4, images=2)
    >>> len(data), data[0]["x"].shape
    (3, (4, 4, 4, 3))

    Reference:
        Hermans et al., "In Defense of the Triplet Loss for Person Re-Identification", 2017 (batches of P identities
        with K images).
    """
    return IdentityBatches(x, y, batch_size, images, seed, epoch)


class IdentityBatches(EpochBatches):
    """The data set that `identity_batches` makes; its arguments are described there."""

    def __init__(
        self, x: Tensor, y: Tensor, batch_size: int, images: int | Sequence[int], seed: int, epoch: int
    ) -> None:
        self._x, self._y = _inputs("x", x), _column("y", y)
        if len(self._x) != len(self._y):
            raise ValueError(
                f"`x` and `y` must hold the same number of samples. Received: {len(self._x)} and {len(self._y)}"
            )
        if self._y.dtype.kind not in "iu":
            raise ValueError(f"`y` must hold integers. Received: y.dtype={self._y.dtype}")
        numbers = [images] if isinstance(images, int | np.integer) else list(images)
        if not numbers:
            raise ValueError(f"`images` must hold at least one number. Received: images={images!r}")
        self.images = [check_integer("images", number, 1) for number in numbers]
        batch_size = check_integer("batch_size", batch_size, 1)
        wrong = [number for number in self.images if batch_size % number]
        if wrong:
            raise ValueError(f"`batch_size` must be a multiple of `images`, {wrong[0]}. Received: {batch_size=}")
        known = np.unique(self._y[self._y >= 0], return_counts=True)[1]
        # The epochs must have one length: that of the one in which least images can be used.
        batches = min(int((known // number).sum()) * number // batch_size for number in self.images)
        if not batches:
            raise ValueError(
                f"Too few identities have {max(self.images)} images for a batch. Received: batch_size={batch_size}"
            )
        super().__init__(batches * batch_size, batch_size, seed, shuffle=True, drop_remainder=True, epoch=epoch)
        self._cached_images: tuple[int, np.ndarray] = (-1, np.zeros(0, np.int64))

    def order(self) -> np.ndarray:
        """The images of the current epoch, int64 `[count]`."""
        if self._cached_images[0] != self.epoch:
            self._cached_images = (self.epoch, self._drawn(self.epoch))
        return self._cached_images[1]

    def load(self, order: np.ndarray, start: int) -> dict[str, Any]:
        chosen = order[start : start + self.local_batch_size]
        return {"x": _rows(self._x, chosen), "y": self._y[chosen], "index": chosen.astype(np.int32)}

    def fingerprint(self) -> dict[str, Any]:
        return {"x": array_fingerprint(self._x), "y": array_fingerprint(self._y)}

    def _drawn(self, epoch: int) -> np.ndarray:
        size = self.images[min(epoch, len(self.images) - 1)]
        images = permutation(len(self._y), self.seed, epoch)
        groups = []
        for identity in np.unique(self._y[self._y >= 0]):
            own = images[self._y[images] == identity]
            groups.append(own[: len(own) // size * size].reshape(-1, size))
        together = np.concatenate(groups)
        return together[permutation(len(together), self.seed, epoch)].reshape(-1)[: self.count]
