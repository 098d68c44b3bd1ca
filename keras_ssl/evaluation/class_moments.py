"""Sums, means and variances of classes, which measures and classifiers share."""

import numpy as np

from keras_ssl.evaluation.spectrum import blocks


def class_sums(features: np.ndarray, numbers: np.ndarray, count: int) -> np.ndarray:
    """The sum of the rows of each class, `[count, D]`."""
    order = np.argsort(numbers, kind="stable")
    present, starts = np.unique(numbers[order], return_index=True)
    sums = np.zeros((count, features.shape[1]))
    sums[present] = np.add.reduceat(features[order], starts, axis=0)
    return sums


def group_means(features: np.ndarray, numbers: np.ndarray, count: int) -> np.ndarray:
    """The mean of the rows of each of `count` groups, float64 `[count, D]`; `numbers` says a row's group."""
    sums, start = np.zeros((count, features.shape[1])), 0
    for block in blocks(features):
        sums += class_sums(block, numbers[start : start + len(block)], count)
        start += len(block)
    return sums / np.bincount(numbers, minlength=count)[:, np.newaxis]


class ClassMoments:
    """Counts, means and sums of squared deviations of classes, merged batch by batch.

    Deviations are taken from the batch's own class means before they are squared, and batches are merged by
    the pairwise formula of Chan et al. (1979), so that features far from the origin lose no digits.
    """

    def __init__(self, width: int) -> None:
        self.counts = np.zeros(0)
        self.means = np.zeros((0, width))
        self.squares = np.zeros((0, width))

    def add_class(self, number: int) -> None:
        self.counts = np.insert(self.counts, number, 0)
        self.means = np.insert(self.means, number, 0, axis=0)
        self.squares = np.insert(self.squares, number, 0, axis=0)

    def update(self, features: np.ndarray, numbers: np.ndarray) -> None:
        count = np.bincount(numbers, minlength=len(self.counts))[:, np.newaxis]
        mean = class_sums(features, numbers, len(self.counts)) / np.maximum(count, 1)
        squares = class_sums((features - mean[numbers]) ** 2, numbers, len(self.counts))
        before = self.counts[:, np.newaxis]
        share = count / np.maximum(before + count, 1)
        step = mean - self.means
        self.squares += squares + step**2 * before * share
        self.means += step * share
        self.counts = self.counts + count[:, 0]
