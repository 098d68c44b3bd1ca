"""How much two trees of annotations have in common."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["tree_similarity", "tree_similarity_matrix"]

Tree = Mapping[Any, Any]


def tree_similarity(first: Tree, second: Tree) -> float:
    r"""The share of two labeled trees that is the same, averaged over views of the trees.

    A tree is a dict whose keys are the labels of nodes and whose values are the trees below them; a leaf has an empty
    dict, or None. The view of the levels a to b, `1 <= a <= b <= depth`, is the set of the runs of labels that the
    tree's branches have on these levels: each level by itself, each two levels below one another, up to the branches
    as a whole. A tree of four levels (domain, intent, slot, value) has ten views. The score is

    `mean over views of |V(first) & V(second)| / |V(first) | V(second)|`,

    over the views that are not empty in both trees. Equal trees score 1, trees without a common label on a common
    level 0; the score is symmetric. Two empty trees are equal.

    The paper names views of the whole tree and of its parts; that they are runs of levels, that sets are compared by
    the share of their union that they share, and that all views count alike, is our choice.

    Args:
        first: a tree.
        second: a tree.

    Returns:
        The score, 0 to 1.

    Raises:
        ValueError: if an argument is not a dict of dicts.

    Example:

    >>> hotel = {"hotel": {"inform": {"area": {"north": {}}}}}
    >>> round(tree_similarity(hotel, {"hotel": {"inform": {"area": {"south": {}}}}}), 4)
    0.6

    Reference:
        He et al., "SPACE-2: Tree-Structured Semi-Supervised Contrastive Pre-training for Task-Oriented Dialog
        Understanding", COLING 2022.
    """
    return _score(_views("first", first), _views("second", second))


def tree_similarity_matrix(trees: Sequence[Tree]) -> np.ndarray:
    """The score of each tree with each other: what `keras_ssl.TreeSupervisedContrastive` takes as `similarity`.

    Args:
        trees: T trees, as for `tree_similarity`.

    Returns:
        float32 `[T, T]`, symmetric, with ones on the diagonal.

    Raises:
        ValueError: if there is no tree, or a tree is not a dict of dicts.

    Example:

    >>> tree_similarity_matrix([{"even": {}}, {"odd": {}}]).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if not len(trees):
        raise ValueError("`trees` must hold at least one tree. Received: trees of length 0")
    views = [_views("trees", tree) for tree in trees]
    matrix = np.eye(len(views), dtype="float32")
    for row, view in enumerate(views):
        for column in range(row):
            matrix[row, column] = matrix[column, row] = _score(view, views[column])
    return matrix


def _branches(name: str, tree: Any) -> list[tuple[Any, ...]]:
    """The labels from the root to each leaf; of an empty tree one branch of no label."""
    if tree is None:
        return [()]
    if not isinstance(tree, Mapping):
        raise ValueError(f"`{name}` must be a dict of dicts. Received: {name}={tree!r}")
    below = [(label, *rest) for label, part in tree.items() for rest in _branches(name, part)]
    return below or [()]


def _views(name: str, tree: Any) -> dict[tuple[int, int], set[tuple[Any, ...]]]:
    """The runs of labels of each range of levels, by its first level and its end."""
    if not isinstance(tree, Mapping):
        raise ValueError(f"`{name}` must be a dict of dicts. Received: {name}={tree!r}")
    found: dict[tuple[int, int], set[tuple[Any, ...]]] = {}
    for branch in _branches(name, tree):
        for first in range(len(branch)):
            for end in range(first + 1, len(branch) + 1):
                found.setdefault((first, end), set()).add(branch[first:end])
    return found


def _score(
    first: dict[tuple[int, int], set[tuple[Any, ...]]], second: dict[tuple[int, int], set[tuple[Any, ...]]]
) -> float:
    views = first.keys() | second.keys()
    if not views:
        return 1.0
    pairs = [(first.get(view, set()), second.get(view, set())) for view in views]
    return float(np.mean(np.sort([len(a & b) / len(a | b) for a, b in pairs])))
