"""A part of a labelled data set that has the same share of every class."""

from collections.abc import Callable

import numpy as np

from keras_ssl.evaluation.validation import as_labels, labeled_only
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import permutation
from keras_ssl.typing import Tensor


def stratified_subset(labels: Tensor, fraction: float, seed: int = 0) -> np.ndarray:
    """The numbers of a share of the samples of each class, drawn at random, always the same for one seed.

    Of a class of c samples `fraction * c` are taken, rounded, but at least one: 1 % of the labels of a small class is
    one label. Subsets of one seed are nested: that of 1 % lies within that of 10 %.

    Args:
        labels: integers or strings `[N]`. Samples of -1 (unlabeled) are never drawn.
        fraction: the share, above 0 and at most 1.
        seed: of the draw. Defaults to 0.

    Returns:
        int64, in ascending order.

    Raises:
        ValueError: if labels are none or are not one class each, or an argument is out of range.

    Example:

    >>> labels = np.repeat(["a", "b"], [20, 4])
    >>> labels[stratified_subset(labels, 0.1)].tolist()
    ['a', 'a', 'b']
    """
    names = as_labels("labels", labels, np.size(labels))
    if not len(names):
        raise ValueError(f"Argument `labels` must hold at least one. Received: labels.shape={names.shape}")
    check_share("fraction", fraction)
    numbers, names = labeled_only("labels", np.arange(len(names)), "labels", names)
    return numbers[drawn(names, lambda count: max(1, round(fraction * count)), check_integer("seed", seed, 0))]


def check_share(name: str, value: float) -> float:
    """`value`, or an error that names the argument when it is not above 0 and at most 1."""
    if not 0 < value <= 1:
        raise ValueError(f"`{name}` must be above 0 and at most 1. Received: {name}={value}")
    return value


def drawn(labels: np.ndarray, size: Callable[[int], int], seed: int) -> np.ndarray:
    """Which samples are drawn, bool `[N]`: of a class of c samples the first `size(c)` in an order given by `seed`."""
    order = permutation(len(labels), seed, 0)
    chosen = np.zeros(len(labels), bool)
    for name in np.unique(labels):
        members = order[labels[order] == name]
        chosen[members[: size(len(members))]] = True
    return chosen
