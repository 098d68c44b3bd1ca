"""Pairs of samples that follow from a graph of two kinds of edges."""

from typing import NamedTuple

import numpy as np

from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor

__all__ = ["TransitivePairs", "nearest_edges", "transitive_pairs"]


class TransitivePairs(NamedTuple):
    """The pairs of a graph, and what is connected.

    Attributes:
        inter: pairs of different instances with similar views, int64 `[P, 2]`.
        intra: pairs of views of one instance, int64 `[Q, 2]`.
        transitive: pairs that follow from an edge of each kind, int64 `[R, 2]`.
        components: the connected component of each sample, int64 `[N]`: two samples of different components are
            negatives of each other.
    """

    inter: np.ndarray
    intra: np.ndarray
    transitive: np.ndarray
    components: np.ndarray

    @property
    def all(self) -> np.ndarray:
        """The pairs of all three kinds, each once, int64 `[S, 2]`."""
        return _unique(np.concatenate([self.inter, self.intra, self.transitive]))


def transitive_pairs(inter: Tensor, intra: Tensor, count: int) -> TransitivePairs:
    """Pairs that vary in instance and in view, from edges that vary in one of them.

    For each edge (A, B) between instances, A' any sample that shares an edge within an instance with A, and B' with
    B, the pairs (A', B), (A, B') and (A', B') follow. Two edges between instances are not put together, nor two within
    an instance. Pairs have no order: each is given once, the smaller number first, in ascending order; a pair that is
    an edge already does not follow.

    Args:
        inter: edges between instances that look alike, integers `[P, 2]`; `nearest_edges` finds some.
        intra: edges between views of one instance, such as the first and the last frame of a track, `[Q, 2]`.
        count: number of samples N; edges hold numbers below it.

    Returns:
        The named tuple `(inter, intra, transitive, components)`; without edges of one kind nothing follows.

    Raises:
        ValueError: if edges are not integers `[P, 2]`, hold a number out of range or join a sample with itself.

    Example:

    >>> transitive_pairs([[0, 1]], [[0, 2], [1, 3]], count=4).transitive.tolist()
    [[0, 3], [1, 2], [2, 3]]

    Reference:
        Wang et al., "Transitive Invariance for Self-supervised Visual Representation Learning", ICCV 2017.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    count = check_integer("count", count, 1)
    between, within = _edges("inter", inter, count), _edges("intra", intra, count)
    mates: list[list[int]] = [[number] for number in range(count)]
    for a, b in within:
        mates[a].append(int(b))
        mates[b].append(int(a))
    found = [(a, b) for first, second in between for a in mates[first] for b in mates[second] if a != b]
    edges = np.concatenate([between, within])
    made = _unique(np.asarray(found, np.int64).reshape(-1, 2))
    known = set(map(tuple, edges.tolist()))
    new = np.asarray([pair for pair in made.tolist() if tuple(pair) not in known], np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), shape=(count, count))
    components = connected_components(graph, directed=False)[1].astype(np.int64)
    return TransitivePairs(between, within, new, components)


def nearest_edges(features: Tensor, instances: Tensor, neighbors: int = 1) -> np.ndarray:
    """Edges between each sample and its nearest samples of other instances, by cosine.

    Args:
        features: of any encoder, `[N, D]`, such as a self-supervised one.
        instances: the instance (track) of each sample, integers `[N]`, at least two different ones.
        neighbors: how many edges each sample asks for. Defaults to 1.

    Returns:
        Edges for `transitive_pairs`, int64 `[P, 2]`, each once. A sample has fewer where there are fewer others.

    Raises:
        ValueError: if shapes do not fit, a feature is not finite, or there is one instance only.

    Example:

    >>> nearest_edges([[1.0, 0.0], [1.0, 0.1], [0.9, 0.0]], [0, 0, 1]).tolist()
    [[0, 2], [1, 2]]
    """
    z, numbers = np.asarray(features, np.float64), np.asarray(instances)
    if z.ndim != 2 or not np.isfinite(z).all():
        raise ValueError(f"`features` must be finite numbers [N, D]. Received: features.shape={z.shape}")
    if numbers.shape != (len(z),) or len(np.unique(numbers)) < 2:
        raise ValueError(
            f"`instances` must hold at least two instances, one for each sample. Received: instances={numbers!r}"
        )
    neighbors = check_integer("neighbors", neighbors, 1)
    z = z / np.maximum(np.linalg.norm(z, axis=1, keepdims=True), 1e-12)
    edges = []
    for row in range(len(z)):
        others = np.flatnonzero(numbers != numbers[row])
        order = np.argsort(-(z[others] @ z[row]), kind="stable")[:neighbors]
        edges += [(row, other) for other in others[order]]
    return _unique(np.asarray(edges, np.int64))


def _edges(name: str, edges: Tensor, count: int) -> np.ndarray:
    array = np.asarray(edges)
    if array.size == 0:
        return np.zeros((0, 2), np.int64)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iu":
        raise ValueError(
            f"`{name}` must be edges, integers [P, 2]. Received: {name} of shape {array.shape} and type {array.dtype}"
        )
    wrong = (array < 0).any(axis=1) | (array >= count).any(axis=1) | (array[:, 0] == array[:, 1])
    if wrong.any():
        raise ValueError(
            f"`{name}` must join two different samples below {count}. Received: {name}={array[wrong][0].tolist()}"
        )
    return _unique(array.astype(np.int64))


def _unique(pairs: np.ndarray) -> np.ndarray:
    return np.unique(np.sort(pairs, axis=1), axis=0).reshape(-1, 2)
