"""Fewer samples that all differ: near-copies are dropped before training."""

from typing import Any, Literal

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.data.selection.checks import check_features, unit_rows
from keras_ssl.data.selection.first_near import first_near
from keras_ssl.losses.numeric import check_integer

__all__ = ["RedundancyReduction"]

_DEFAULTS = {"embedding": 0.05, "entropy": 0.5, "hash": 6.0}
_ROWS, _COLUMNS = 8, 9  # of the small image that is hashed
_PART = 2**22  # numbers in working memory at a time


class RedundancyReduction:
    """Keeps a sample only if it is farther than a threshold from every sample that was kept before it.

    Samples are visited in their order, and the first of several near-copies is kept. The distance of two samples is

    - `"embedding"`: `1 - cos` of their features, 0 to 2;
    - `"entropy"`: `1 - I(a; b) / H(a, b)`, 0 to 1: mutual information over joint entropy of the gray levels of two
      images at the same pixels, with `bins` levels over the range of all images. Two images without any information
      (constant ones) are equal by this measure;
    - `"hash"`: number of bits, 0 to 64, in which difference hashes differ. An image is made gray, averaged to 8 rows
      of 9 numbers, and each of the 64 bits says whether a number exceeds its left neighbor by more than `margin`
      times the image's range.

    What lies exactly at the threshold is dropped, so that the threshold 0 drops nothing but samples that are equal by
    the measure. The paper hashes the same way without a margin (`margin=0`), within each volume. It does not give the
    other two in detail; they are our choice.

    Args:
        method: `"embedding"`, `"entropy"` or `"hash"`. Defaults to `"hash"`, the paper's best.
        threshold: the largest distance of near-copies, 0 or more. Defaults to None: 0.05 for embeddings, 0.5 for
            entropy, 6 bits for hashes.
        bins: gray levels of `"entropy"`, 2 or more. Defaults to 16.
        margin: of `"hash"`, in [0, 1): what noise may change without changing a bit. Defaults to 0.02.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> features = np.array([[1.0, 0.0], [0.0, 1.0], [0.99, 0.01], [1.0, 0.0]])
    >>> RedundancyReduction("embedding", threshold=0.01).select(features).tolist()
    [0, 1]

    Reference: Wolf et al., "Less is More: Selective Reduction of CT Data for Self-Supervised Pre-Training of Deep
    Learning Models with Contrastive Learning Improves Downstream Classification Performance", Computers in Biology and
    Medicine 2024.
    """

    def __init__(
        self,
        method: Literal["embedding", "entropy", "hash"] = "hash",
        threshold: float | None = None,
        bins: int = 16,
        margin: float = 0.02,
    ) -> None:
        if method not in _DEFAULTS:
            raise ValueError(f"`method` must be one of {sorted(_DEFAULTS)}. Received: method={method!r}")
        self.method = method
        self.threshold = check_number("threshold", _DEFAULTS[method] if threshold is None else threshold, 0.0)
        self.bins = check_integer("bins", bins, 2, 1024)
        self.margin = check_number("margin", margin, 0.0, 1.0)
        if self.margin == 1.0:
            raise ValueError(f"`margin` must be below 1. Received: margin={margin}")

    def select(self, x: Any) -> np.ndarray:
        """Chooses the samples to keep.

        Args:
            x: features `[N, D]` for `"embedding"`, otherwise images `[N, H, W]` or `[N, H, W, channels]`.

        Returns:
            Int64 indices of the kept samples, ascending; the first sample is always among them.

        Raises:
            ValueError: if `x` holds NaN or infinity, is empty or has the wrong number of axes.
        """
        originals, _ = self.originals(self.describe(x))
        return np.flatnonzero(originals == np.arange(len(originals))).astype("int64")

    def originals(self, described: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Finds for each sample the kept one that it is a near-copy of.

        Args:
            described: `[N, K]`, as `describe` returns it.

        Returns:
            Int64 `[N]`, the number of the kept sample, its own for one that is kept; and float64 `[N]`, the distance
            to it.
        """
        if self.method == "embedding":
            return first_near(described, self.threshold, unit=True)
        if self.method == "hash":  # a bit that differs is 2 / bits of the distance of vectors of 1 and -1
            bits = described.shape[1]
            originals, distances = first_near(2 * described.astype("int8") - 1, self.threshold * 2 / bits)
            return originals, distances * bits / 2
        originals = np.full(len(described), -1, "int64")
        distances = np.zeros(len(described))
        for index in range(len(described)):
            if originals[index] >= 0:
                continue
            originals[index] = index
            # A sample is compared with those after it only: those before it are decided.
            rest = index + 1 + np.flatnonzero(originals[index + 1 :] < 0)
            apart = self.distances(described[index], described[rest])
            near = apart <= self.threshold + 1e-12
            originals[rest[near]], distances[rest[near]] = index, apart[near]
        return originals, distances

    def describe(self, x: Any) -> np.ndarray:
        """What distances are taken of: unit features, gray levels of pixels, or bits.

        Args:
            x: as for `select`.

        Returns:
            `[N, K]`: float64, int64 or bool.
        """
        if self.method == "embedding":
            return unit_rows(check_features("x", x))
        images = check_features("x", x, None)
        if images.ndim not in (3, 4):
            raise ValueError(f"`x` must be images of 3 or 4 axes. Received: x=shape {images.shape}")
        if images.ndim == 4:
            images = images.mean(axis=-1)
        if self.method == "entropy":
            low, high = images.min(), images.max()
            levels = (images - low) / (high - low if high > low else 1.0) * self.bins
            return np.minimum(levels.astype("int64"), self.bins - 1).reshape(len(images), -1)
        return self._bits(images)

    def distances(self, one: np.ndarray, others: np.ndarray) -> np.ndarray:
        """Distances of one described sample to others.

        Args:
            one: `[K]`, a row that `describe` returned.
            others: `[M, K]`, rows of the same call.

        Returns:
            Float64 `[M]`.
        """
        if self.method == "embedding":
            # By differences, so that equal rows have the distance 0 exactly: |a - b|^2 / 2 = 1 - cos.
            return np.square(others - one).sum(axis=1) / 2.0
        if self.method == "hash":
            return (others != one).sum(axis=1).astype("float64")
        part = max(1, _PART // max(len(one), self.bins**2))
        parts = [self._information_distances(one, others[k : k + part]) for k in range(0, len(others), part)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _information_distances(self, one: np.ndarray, others: np.ndarray) -> np.ndarray:
        cells = self.bins**2
        places = np.arange(len(others))[:, None] * cells + one * self.bins + others
        counts = np.bincount(places.ravel(), minlength=len(others) * cells).reshape(len(others), self.bins, self.bins)
        share = counts / len(one)
        joint = _entropy(share.reshape(len(others), -1))
        separate = _entropy(share.sum(axis=1)) + _entropy(share.sum(axis=2))
        informed = joint > 0
        distances = 1.0 - (separate - joint) / np.where(informed, joint, 1.0)
        return np.where(informed, np.clip(distances, 0.0, 1.0), 0.0)

    def _bits(self, images: np.ndarray) -> np.ndarray:
        down, across = averaging(images.shape[1], _ROWS), averaging(images.shape[2], _COLUMNS)
        small = np.einsum("rh,nhw,cw->nrc", down, images, across)
        span = images.max(axis=(1, 2)) - images.min(axis=(1, 2))
        # A constant image has sums that differ in their last digits.
        least = np.maximum(self.margin * span, 1e-9 * np.abs(images).max(axis=(1, 2)))
        return (small[:, :, 1:] - small[:, :, :-1] > least[:, None, None]).reshape(len(images), -1)


def _entropy(share: np.ndarray) -> np.ndarray:
    """Entropies in nats of the rows of a matrix."""
    return -(share * np.log(np.where(share > 0, share, 1.0))).sum(axis=1)


def averaging(size: int, parts: int) -> np.ndarray:
    """The matrix `[parts, size]` that averages `size` pixels over `parts` intervals of one length."""
    edges = np.linspace(0.0, size, parts + 1)
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    overlap = np.maximum(overlap, 0.0)
    return overlap / overlap.sum(axis=1, keepdims=True)
