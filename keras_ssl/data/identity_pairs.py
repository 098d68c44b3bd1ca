"""Pairs of images of one identity, in batches that hold every identity at most once."""

import heapq
from typing import Any

import numpy as np

from keras_ssl.data.epoch_batches import EpochBatches
from keras_ssl.data.fingerprint import array_fingerprint
from keras_ssl.data.from_arrays import _column, _inputs, _rows
from keras_ssl.random import permutation
from keras_ssl.typing import Tensor


def identity_pairs(
    x: Tensor, group: Tensor, *, batch_size: int = 256, seed: int = 0, epoch: int = 0
) -> "IdentityPairBatches":
    """Makes a data set of image pairs for `keras_ssl.ImagePairContrastive`, from images and their identities.

    Each batch is a dict: `"x"`, a tuple of two images of each of `batch_size` different identities, `"group"`, the
    identities, and `"index"`, the number of the first image. In an epoch, an image comes first in a pair at most once,
    and the second image is another of its identity. Which images are paired and batched is a pure function of the
    seed and the epoch. Images of identities that are seen once are not used, nor, for want of other identities to fill
    a batch with, some of the identities that are seen most often (others in each epoch).

    Args:
        x: the images, an array `[N, ...]` of rank 2 or more. Memory-mapped arrays work.
        group: their identities, integers `[N]`.
        batch_size: pairs, and so identities, in a batch. Defaults to 256.
        seed: integer in [0, 2**32). Defaults to 0.
        epoch: number of the first epoch. Defaults to 0.

    Returns:
        A `keras.utils.PyDataset`, for `fit`.

    Raises:
        ValueError: if lengths differ, an array has the wrong rank or type, or fewer than `batch_size` identities have
            two images.

    Example:

    >>> data = identity_pairs(np.zeros((12, 8, 8, 3), "uint8"), np.arange(12) // 3, batch_size=2)
    >>> len(data), [image.shape for image in data[0]["x"]], len(set(data[0]["group"]))
    (6, [(2, 8, 8, 3), (2, 8, 8, 3)], 2)

    Reference:
        Habel et al., "CLIP-ReIdent: Contrastive Training for Player Re-Identification", MMSports 2022.
    """
    return IdentityPairBatches(x, group, batch_size, seed, epoch)


class IdentityPairBatches(EpochBatches):
    """The data set that `identity_pairs` makes; its arguments are described there."""

    def __init__(self, x: Tensor, group: Tensor, batch_size: int, seed: int, epoch: int) -> None:
        self._x, self._group = _inputs("x", x), _column("group", group)
        if len(self._x) != len(self._group):
            raise ValueError(
                "All arrays must hold the same number of samples. "
                f"Received: len(x)={len(self._x)}, len(group)={len(self._group)}"
            )
        identities, self._identity, counts = np.unique(self._group, return_inverse=True, return_counts=True)
        self._counts = np.where(counts >= 2, counts, 0)
        paired = int((counts >= 2).sum())
        if paired < batch_size:
            raise ValueError(
                f"Argument `batch_size` must be at most the number of identities with two images ({paired}). "
                f"Received: batch_size={batch_size}"
            )
        # How many batches there are does not depend on who is drawn first: any order of the identities tells.
        count = len(_batches(self._counts, np.arange(len(identities)), batch_size)) * batch_size
        super().__init__(count, batch_size, seed, shuffle=True, drop_remainder=True, epoch=epoch)
        self._cached_pairs: tuple[int, np.ndarray] = (-1, np.zeros((0, 2), np.int64))

    def order(self) -> np.ndarray:
        """The pairs of the current epoch: numbers of the first and second images, int64 `[count, 2]`."""
        epoch, pairs = self._cached_pairs
        if epoch != self.epoch:
            epoch, pairs = self.epoch, self._pairs(self.epoch)
            self._cached_pairs = (epoch, pairs)
        return pairs

    def load(self, order: np.ndarray, start: int) -> dict[str, Any]:
        first, second = order[start : start + self.local_batch_size].T
        images = (_rows(self._x, first), _rows(self._x, second))
        return {"x": images, "group": self._group[first], "index": first.astype(np.int32)}

    def fingerprint(self) -> dict[str, Any]:
        return {"x": array_fingerprint(self._x), "group": array_fingerprint(self._group)}

    def _pairs(self, epoch: int) -> np.ndarray:
        images = permutation(len(self._x), self.seed, epoch)
        images = images[np.argsort(self._identity[images], kind="stable")]  # by identity, in random order within
        starts = np.concatenate([[0], np.cumsum(np.bincount(self._identity))[:-1]])
        batches = _batches(self._counts, permutation(len(self._counts), self.seed, epoch), self.batch_size)
        used, pairs = np.zeros(len(self._counts), np.int64), []
        for batch in batches[permutation(len(batches), self.seed, epoch)]:
            place, after = used[batch], (used[batch] + 1) % self._counts[batch]
            pairs.append(np.stack([images[starts[batch] + place], images[starts[batch] + after]], axis=1))
            used[batch] += 1
        return np.concatenate(pairs)


def _batches(counts: np.ndarray, order: np.ndarray, batch_size: int) -> np.ndarray:
    """Batches of different identities, `[B, batch_size]`, in which identity `i` is found at most `counts[i]` times.

    Those with the most images left go first (of equals, in `order`), which makes as many full batches as can be made.
    """
    rank = np.argsort(order)
    heap = [(-int(count), int(rank[identity]), identity) for identity, count in enumerate(counts) if count]
    heapq.heapify(heap)
    batches = []
    while len(heap) >= batch_size:
        taken = [heapq.heappop(heap) for _ in range(batch_size)]
        batches.append([identity for _, _, identity in taken])
        for left, place, identity in taken:
            if left < -1:
                heapq.heappush(heap, (left + 1, place, identity))
    return np.asarray(batches, np.int64)
