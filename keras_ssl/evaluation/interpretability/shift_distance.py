"""How far apart two subsets of a data set are."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import check_integer

__all__ = ["shift_distance", "shift_embedding", "subset_overlap"]


def subset_overlap(subsets: Sequence[Any]) -> np.ndarray:
    r"""How much each two subsets share: :math:`|A \cap B| / \min(|A|, |B|)`.

    It is 1 where one holds the other, and 0 where they share nothing.

    Args:
        subsets: collections of samples' numbers or names; what stands twice counts once.

    Returns:
        float64 `[S, S]`, symmetric, 1 on the diagonal.

    Raises:
        ValueError: if there are no subsets, or one is empty.

    Example:

    >>> subset_overlap([{1, 2, 3, 4}, {2, 3}, {4, 5}]).tolist()
    [[1.0, 1.0, 0.5], [1.0, 1.0, 0.0], [0.5, 0.0, 1.0]]

    Reference:
        Liang & Zou, "MetaShift: A Dataset of Datasets for Evaluating Contextual Distribution Shifts and Training
        Conflicts", ICLR 2022.
    """
    if isinstance(subsets, str) or not len(subsets):
        raise ValueError(f"`subsets` must be collections of samples. Received: subsets={subsets!r}")
    sets = [set(np.asarray(list(subset)).ravel().tolist()) for subset in subsets]
    for place, subset in enumerate(sets):
        if not subset:
            raise ValueError(f"`subsets` must not be empty. Received: subsets[{place}]={subsets[place]!r}")
    return np.array([[len(a & b) / min(len(a), len(b)) for b in sets] for a in sets])


def shift_embedding(subsets: Sequence[Any], dimensions: int = 5, least_overlap: float = 0.0) -> np.ndarray:
    r"""Places of subsets, in which those that share samples with the same others are near.

    Subsets are the nodes of a graph, their overlaps the weights W of its edges. With the Laplacian
    :math:`L = D - W`, the coordinates are its eigenvectors of unit length with the lowest eigenvalues, without the
    constant one. Where the graph falls into two parts, the first coordinate separates them. Equal eigenvalues leave the
    directions open, so that a cut between them is arbitrary.

    Args:
        subsets: as for `subset_overlap`, at least 2.
        dimensions: number of coordinates, at most the number of subsets less 1, to which it is cut. Defaults to 5, as
            in the authors' code.
        least_overlap: edges of a lower weight are left out, in [0, 1]. Defaults to 0.

    Returns:
        float64 `[S, dimensions]`.

    Raises:
        ValueError: as `subset_overlap`, or if an argument is out of range.

    Example:

    >>> places = shift_embedding([{1, 2}, {2, 3}, {7, 8}, {8, 9}], dimensions=1)
    >>> abs(places[:, 0]).round(3).tolist(), bool(places[0, 0] * places[2, 0] < 0)
    ([0.5, 0.5, 0.5, 0.5], True)

    Reference:
        Liang & Zou, "MetaShift: A Dataset of Datasets for Evaluating Contextual Distribution Shifts and Training
        Conflicts", ICLR 2022.
    """
    dimensions = check_integer("dimensions", dimensions, 1)
    least = check_number("least_overlap", least_overlap, 0.0, 1.0)
    weights = subset_overlap(subsets)
    count = len(weights)
    if count < 2:
        raise ValueError(f"`subsets` must be at least 2. Received: subsets={count}")
    weights = np.where(weights >= least, weights, 0.0)
    np.fill_diagonal(weights, 0.0)
    degree = weights.sum(axis=1)
    # The constant vector, whose eigenvalue is 0, is moved beyond all others: in a graph of several parts it would mix
    # with the vectors that tell them apart.
    beyond = (2.0 * degree.max() + 1.0) / count
    _, vectors = np.linalg.eigh(np.diag(degree) - weights + beyond)
    return vectors[:, : min(dimensions, count - 1)]


def shift_distance(subsets: Sequence[Any], dimensions: int = 5, least_overlap: float = 0.0) -> np.ndarray:
    """The Euclidean distances between the places of subsets in `shift_embedding`: how large a shift is.

    Args:
        subsets: as for `subset_overlap`, at least 2.
        dimensions: of the embedding. Defaults to 5.
        least_overlap: of an edge. Defaults to 0.

    Returns:
        float64 `[S, S]`, symmetric, 0 on the diagonal.

    Raises:
        ValueError: as `shift_embedding`.

    Example:

    >>> distance = shift_distance([{1, 2}, {2, 3}, {7, 8}, {8, 9}], dimensions=1)
    >>> distance.round(3)[0].tolist()
    [0.0, 0.0, 1.0, 1.0]

    Reference:
        Liang & Zou, "MetaShift: A Dataset of Datasets for Evaluating Contextual Distribution Shifts and Training
        Conflicts", ICLR 2022.
    """
    places = shift_embedding(subsets, dimensions, least_overlap)
    return np.linalg.norm(places[:, None] - places[None], axis=-1)
