"""Subsets of a labeled data set by context, the graph of them, and tasks in which the context shifts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.interpretability.shift_distance import shift_distance, subset_overlap
from keras_ssl.losses.numeric import check_integer

__all__ = ["ContextGraph", "ShiftTask", "SubsetShiftBenchmark", "modularity_communities"]


class ContextGraph(NamedTuple):
    """The subsets of a class as a graph.

    Attributes:
        contexts: of the nodes, sorted.
        weights: overlaps, float64 `[S, S]`; 0 below the least overlap and on the diagonal.
        communities: the contexts of each community, largest community first.

    Example:

    >>> ContextGraph(("bed",), np.zeros((1, 1)), (("bed",),)).contexts
    ('bed',)
    """

    contexts: tuple[str, ...]
    weights: np.ndarray
    communities: tuple[tuple[str, ...], ...]


class ShiftTask(NamedTuple):
    """Samples to train and to test on, between which the context shifts.

    Attributes:
        train: numbers of samples, sorted; none is among those of `test`.
        test: numbers of samples, sorted.
        distance: mean over the classes of the mean distance between the subsets of both sides.

    Example:

    >>> ShiftTask(np.array([0]), np.array([1, 2]), 0.5).distance
    0.5
    """

    train: np.ndarray
    test: np.ndarray
    distance: float


class SubsetShiftBenchmark:
    r"""Cuts each class of a data set into subsets by what else is known of the images.

    A subset is "class (context)": the samples of a class that have a tag, such as another object in the image or an
    attribute. A sample is in as many subsets as it has tags. Subsets that share samples are neighbors in a graph whose
    weights are `subset_overlap`; how far apart they lie in it is `shift_distance`, a measure of the shift that needs no
    model. Communities of the graph are contexts that go together.

    Small subsets are left out, and then classes with few subsets.

    Args:
        labels: the class of each sample, `[N]`, integers or strings. -1 is a sample without label, which is in no
            subset. Where images show several classes, N collections of classes.
        annotations: the tags of the samples. A table: a mapping from names of columns to values `[N]`, each value a tag
            `"column=value"`, None and "" no tag. Or N collections of tags.
        least_samples: of a subset. Defaults to 25, as in the authors' code.
        least_subsets: of a class. Defaults to 6, as in the authors' code.
        least_overlap: edges of a lower weight are left out, in [0, 1]. Defaults to 0.2, as in the authors' code.

    Attributes:
        subsets: samples' numbers, sorted, by class and tag: `{class: {tag: [n]}}`; tags are sorted.

    Raises:
        ValueError: if lengths differ, an argument is out of range, or no class is left.

    Example:

    >>> table = {"place": ["bed", "bed", "sofa", "sofa"], "light": ["day", "night", "night", ""]}
    >>> benchmark = SubsetShiftBenchmark(["cat"] * 4, table, least_samples=2, least_subsets=1)
    >>> {tag: rows.tolist() for tag, rows in benchmark.subsets["cat"].items()}
    {'light=night': [1, 2], 'place=bed': [0, 1], 'place=sofa': [2, 3]}
    >>> benchmark.task({"cat": "place=bed"}, {"cat": "light=night"}).train.tolist()
    [0]

    Reference:
        Liang & Zou, "MetaShift: A Dataset of Datasets for Evaluating Contextual Distribution Shifts and Training
        Conflicts", ICLR 2022, arXiv 2202.06523.
    """

    def __init__(
        self,
        labels: Sequence[Any],
        annotations: Mapping[str, Sequence[Any]] | Sequence[Any],
        least_samples: int = 25,
        least_subsets: int = 6,
        least_overlap: float = 0.2,
    ) -> None:
        least = check_integer("least_samples", least_samples, 1)
        fewest = check_integer("least_subsets", least_subsets, 1)
        self.least_overlap = check_number("least_overlap", least_overlap, 0.0, 1.0)
        classes = [_collection(label) for label in _plain(labels)]
        if not classes:
            raise ValueError("`labels` must hold at least one. Received: labels=[]")
        found: dict[Any, dict[str, list[int]]] = {}
        for number, (own, tags) in enumerate(zip(classes, _tags(annotations, len(classes)), strict=True)):
            for label in own:
                if _unlabeled(label):
                    continue
                for tag in tags - {str(label)}:  # that an image of a class shows the class is no context
                    found.setdefault(label, {}).setdefault(tag, []).append(number)
        self.subsets: dict[Any, dict[str, np.ndarray]] = {}
        for label in sorted(found, key=lambda each: (isinstance(each, str), each)):
            kept = {tag: np.array(rows) for tag, rows in sorted(found[label].items()) if len(rows) >= least}
            if len(kept) >= fewest:
                self.subsets[label] = kept
        if not self.subsets:
            raise ValueError(
                "`least_samples` and `least_subsets` must leave a class. "
                f"Received: least_samples={least}, least_subsets={fewest}, {len(classes)} samples"
            )

    def graph(self, label: Any) -> ContextGraph:
        """The graph of a class's subsets.

        Args:
            label: one of `subsets`.

        Raises:
            ValueError: if the class is not known.
        """
        subsets = self._of(label)
        weights = subset_overlap([rows.tolist() for rows in subsets.values()])
        weights = np.where(weights >= self.least_overlap, weights, 0.0)
        np.fill_diagonal(weights, 0.0)
        contexts = tuple(subsets)
        parts = modularity_communities(weights)
        return ContextGraph(contexts, weights, tuple(tuple(contexts[node] for node in part) for part in parts))

    def distances(self, label: Any, dimensions: int = 5) -> np.ndarray:
        """The distances between a class's subsets, `[S, S]` in the order of their tags.

        Args:
            label: one of `subsets`, of at least two subsets.
            dimensions: of the embedding. Defaults to 5.

        Raises:
            ValueError: if the class is not known or has a single subset.
        """
        subsets = [rows.tolist() for rows in self._of(label).values()]
        return shift_distance(subsets, dimensions, self.least_overlap)

    def task(self, train: Mapping[Any, Any], test: Mapping[Any, Any], dimensions: int = 5) -> ShiftTask:
        """A task of the same classes in other contexts.

        Args:
            train: for each class the tag, or the tags, to train on.
            test: for the same classes, the tag or the tags to test on. Samples that both have are tested on only.
            dimensions: of the embedding in which the shift is measured. Defaults to 5.

        Returns:
            A `ShiftTask`.

        Raises:
            ValueError: if the classes differ, a tag is not one of its class's subsets, or nothing is left to train on.
        """
        if not train or set(train) != set(test):
            raise ValueError(
                "`train` and `test` must be of the same classes. "
                f"Received: train of {sorted(map(str, train))}, test of {sorted(map(str, test))}"
            )
        chosen: dict[str, list[np.ndarray]] = {"train": [], "test": []}
        shifts = []
        for label in train:
            subsets, places = self._of(label), []
            tags = list(subsets)
            for name, given in (("train", train), ("test", test)):
                wanted = sorted(_collection(given[label]), key=str)
                unknown = [tag for tag in wanted if tag not in subsets]
                if unknown or not wanted:
                    raise ValueError(
                        f"`{name}` must name subsets of {label!r}: {', '.join(tags)}. Received: {name}={given[label]!r}"
                    )
                chosen[name] += [subsets[tag] for tag in wanted]
                places.append([tags.index(tag) for tag in wanted])
            if len(tags) > 1:
                shifts.append(float(self.distances(label, dimensions)[np.ix_(*places)].mean()))
            else:
                shifts.append(0.0)
        tested = np.unique(np.concatenate(chosen["test"]))
        trained = np.setdiff1d(np.concatenate(chosen["train"]), tested)
        if not len(trained):
            raise ValueError(f"`train` must hold samples that `test` lacks. Received: train={dict(train)!r}")
        return ShiftTask(trained, tested, float(np.mean(shifts)))

    def _of(self, label: Any) -> dict[str, np.ndarray]:
        if label not in self.subsets:
            known = ", ".join(map(repr, self.subsets))
            raise ValueError(f"`label` must be one of {known}. Received: label={label!r}")
        return self.subsets[label]


def modularity_communities(weights: Any) -> list[list[int]]:
    r"""Communities of a weighted graph, by merging two at a time while the modularity rises.

    .. math:: Q = \sum_c \left[ \frac{w_{cc}}{2m} - \left( \frac{d_c}{2m} \right)^2 \right]

    with the weights :math:`w_{cc}` within a community (each edge counted from both ends), the sum :math:`d_c` of its
    nodes' degrees and :math:`2m` of all. The merge that raises Q most comes first, of equals the first. The authors of
    MetaShift take the same method without the weights of edges.

    Args:
        weights: `[S, S]`, symmetric, not negative, 0 on the diagonal.

    Returns:
        The nodes of each community, sorted; the largest community first, of equals the one with the first node. A node
        without edges stays alone.

    Raises:
        ValueError: if the weights are not that.

    Example:

    >>> modularity_communities([[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]])
    [[0, 1], [2, 3]]

    Reference: Clauset, Newman & Moore, "Finding community structure in very large networks", 2004.
    """
    w = np.asarray(weights, np.float64)
    if w.ndim != 2 or w.shape[0] != w.shape[1] or not w.size:
        raise ValueError(f"`weights` must be [S, S]. Received: weights.shape={w.shape}")
    if not (np.isfinite(w).all() and (w >= 0).all() and np.allclose(w, w.T) and not np.diag(w).any()):
        raise ValueError(
            "`weights` must be symmetric, finite and not negative, 0 on the diagonal. Received: weights that are not"
        )
    parts = [[node] for node in range(len(w))]
    total = w.sum()
    if total == 0:
        return parts
    shared, degree = w / total, w.sum(axis=1) / total
    while len(parts) > 1:
        gain = 2 * (shared - np.outer(degree, degree))
        gain[np.tril_indices(len(parts))] = -np.inf
        first, second = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[first, second] <= 1e-12:
            break
        parts[first] = sorted(parts[first] + parts.pop(int(second)))
        shared[first] += shared[second]
        shared[:, first] += shared[:, second]
        degree[first] += degree[second]
        keep = np.arange(len(degree)) != second
        shared, degree = shared[np.ix_(keep, keep)], degree[keep]
    return sorted(parts, key=lambda part: (-len(part), part))


def _plain(values: Any) -> list[Any]:
    """A sequence as a list of plain Python values."""
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _collection(value: Any) -> list[Any]:
    """One value, or a collection of them, without repeats."""
    many = isinstance(value, list | tuple | set | frozenset | np.ndarray)
    return list(dict.fromkeys(_plain(value) if many else [value]))


def _unlabeled(label: Any) -> bool:
    return not isinstance(label, str) and label == -1


def _tags(annotations: Any, count: int) -> list[set[str]]:
    """The tags of each sample."""
    if not isinstance(annotations, Mapping):
        found = [{str(tag) for tag in _collection(tags) if tag is not None and tag != ""} for tags in annotations]
        if len(found) != count:
            raise ValueError(
                f"`annotations` must be of the {count} samples of `labels`. Received: annotations of {len(found)}"
            )
        return found
    found = [set() for _ in range(count)]
    for name, values in annotations.items():
        plain = _plain(values)
        if len(plain) != count:
            raise ValueError(
                f"`annotations` must be of the {count} samples of `labels`. Received: {name} of {len(plain)}"
            )
        for tags, value in zip(found, plain, strict=True):
            if value is not None and value != "":
                tags.add(f"{name}={value}")
    return found
