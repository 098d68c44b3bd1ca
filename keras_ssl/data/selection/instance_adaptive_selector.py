"""Pseudo-labels of pixels by thresholds that follow each image."""

from typing import Any

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import check_integer

__all__ = ["InstanceAdaptiveSelector", "paste_classes"]

_HIGHEST = 0.999  # of a threshold: with 1, nothing would be kept for good


class InstanceAdaptiveSelector:
    """Chooses which pixels of an image keep their predicted class, by a threshold for each class.

    Images come one after the other. Of an image's pixels that are predicted as class c, with confidences p, the share
    `alpha * t_c^gamma` is wanted: its threshold is the quantile `1 - alpha * t_c^gamma` of p. The class threshold
    follows it as a moving average, `t_c = beta * t_c + (1 - beta) * quantile`, and is at most 0.999. Then a pixel keeps
    its class where its confidence is at least `t_c`. So a hard class, whose threshold is low, does not lose all of its
    pixels; and since t_c^gamma is small for it, few doubtful ones come in. A class that an image lacks keeps its
    threshold. The authors' code takes a batch for an image, and the old threshold as one of the confidences.

    Args:
        classes: number of classes K, at least 2.
        alpha: share of pixels that are wanted of a class of threshold 1, in [0, 1]. Defaults to 0.2.
        beta: momentum of the thresholds, in [0, 1]; with 1 they are constant. Defaults to 0.9.
        gamma: how much smaller the share is for hard classes, not negative. Defaults to 8.
        initial: all thresholds at the start, in [0, 1]. Defaults to 0.9.

    Attributes:
        thresholds: of the classes now, float64 `[classes]`.

    Raises:
        ValueError: if an argument is out of range, or probabilities are none.

    Example:

    >>> selector = InstanceAdaptiveSelector(classes=2, alpha=0.5, beta=0.0, gamma=0.0)
    >>> image = np.array([[[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]]])  # one row of four pixels
    >>> selector.select(image).tolist()
    [[0, 0, -1, -1]]

    Reference: Zhu et al., "Hard-aware Instance Adaptive Self-training for Unsupervised Cross-domain Semantic
    Segmentation", 2023, https://arxiv.org/abs/2302.06992.
    """

    def __init__(
        self, classes: int, alpha: float = 0.2, beta: float = 0.9, gamma: float = 8.0, initial: float = 0.9
    ) -> None:
        self.classes = check_integer("classes", classes, 2)
        self.alpha = check_number("alpha", alpha, 0.0, 1.0)
        self.beta = check_number("beta", beta, 0.0, 1.0)
        self.gamma = check_number("gamma", gamma, 0.0)
        self.initial = check_number("initial", initial, 0.0, 1.0)
        self.thresholds = np.full(self.classes, self.initial)

    def select(self, probabilities: Any) -> np.ndarray:
        """The pseudo-labels of an image, by thresholds that have moved towards it.

        Args:
            probabilities: of its pixels, `[..., K]`, such as `[H, W, K]`; they sum to 1.

        Returns:
            Class numbers, int32 `[...]`; -1 is a pixel that is ignored.
        """
        p = np.asarray(probabilities, "float64")
        if p.ndim < 2 or p.shape[-1] != self.classes or not np.allclose(p.sum(axis=-1), 1.0, atol=1e-3):
            raise ValueError(
                f"`probabilities` must be rows of {self.classes} that sum to 1, [..., {self.classes}]. "
                f"Received: probabilities.shape={p.shape}"
            )
        confidence, predicted = p.max(axis=-1), p.argmax(axis=-1)
        for kind in np.unique(predicted):
            share = self.alpha * self.thresholds[kind] ** self.gamma
            wanted = np.quantile(confidence[predicted == kind], 1.0 - share)
            moved = self.beta * self.thresholds[kind] + (1.0 - self.beta) * wanted
            self.thresholds[kind] = moved if self.beta == 1.0 else min(moved, _HIGHEST)
        return np.where(confidence >= self.thresholds[predicted], predicted, -1).astype("int32")

    def select_all(self, probabilities: Any) -> np.ndarray:
        """The pseudo-labels of several images, in their order: `[N, ..., K]` gives int32 `[N, ...]`."""
        return np.stack([self.select(image) for image in probabilities])

    def hard_classes(self, count: int) -> np.ndarray:
        """The numbers of the `count` classes with the lowest thresholds, lowest first, int64 `[count]`."""
        check_integer("count", count, 1, self.classes)
        return np.argsort(self.thresholds, kind="stable")[:count]


def paste_classes(
    images: Any, labels: Any, from_images: Any, from_labels: Any, classes: Any
) -> tuple[np.ndarray, np.ndarray]:
    """Pastes the pixels of some classes of other images, with their labels, at the same places.

    With the hard classes of an `InstanceAdaptiveSelector` this is the paper's hard-aware augmentation of pseudo-labels:
    images get pixels of classes that they lack.

    Args:
        images: `[N, H, W, C]`.
        labels: class numbers or -1, `[N, H, W]`.
        from_images: like `images`.
        from_labels: like `labels`.
        classes: numbers of the classes whose pixels are pasted.

    Returns:
        Images and labels, new arrays.

    Raises:
        ValueError: if shapes differ.

    Example:

    >>> blank, digit = np.zeros((1, 1, 2, 1)), np.ones((1, 1, 2, 1))
    >>> image, label = paste_classes(blank, [[[0, 0]]], digit, [[[0, 3]]], classes=[3])
    >>> image.ravel().tolist(), label.ravel().tolist()
    ([0.0, 1.0], [0, 3])
    """
    images, labels, from_images, from_labels = (np.asarray(x) for x in (images, labels, from_images, from_labels))
    if images.shape[:-1] != labels.shape or images.shape != from_images.shape or labels.shape != from_labels.shape:
        raise ValueError(
            "Images must have one shape [N, H, W, C], labels [N, H, W]. Received: shapes "
            f"images={images.shape}, labels={labels.shape}, from_images={from_images.shape}, "
            f"from_labels={from_labels.shape}"
        )
    pasted = np.isin(from_labels, np.asarray(classes))
    return np.where(pasted[..., None], from_images, images), np.where(pasted, from_labels, labels)
