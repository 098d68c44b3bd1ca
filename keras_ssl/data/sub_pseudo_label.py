"""Labels for pretraining from weak labels and a teacher's predictions."""

from typing import Any

import numpy as np

from keras_ssl.losses.numeric import check_integer

__all__ = ["SubPseudoLabel"]


class SubPseudoLabel:
    """Classes that are pairs: what a sample was found by (its weak label), and what a teacher says it shows.

    A sample on which both agree keeps its class as its number, 0 to K - 1. Every other pair (query, teacher) that at
    least `min_count` of the samples given have gets a number of its own, from K on, in the order of the pairs. So a
    sample that does not show what it was found by is neither thrown away nor called what it is not. Pairs that are
    rarer are merged: they get the class of the query, or with `rare="teacher"` that of the teacher, or with
    `rare="drop"` the number -1. The paper merges too, but leaves the rule open to the data: this rule is a choice.

    Args:
        queries: weak labels, integers from 0 to `classes` - 1, `[N]`.
        teachers: the teacher's predictions, likewise, `[N]`.
        classes: K, at least 2.
        min_count: fewest samples of a pair of its own, at least 1. Defaults to 1: all pairs are kept.
        rare: "query" (default), "teacher" or "drop".

    Attributes:
        pairs: the pair of each number, integers `[count, 2]`.
        count: number of classes of the pretraining.
        labels: the numbers of the samples given, int32 `[N]`.

    Raises:
        ValueError: if labels are no classes, their numbers differ, or an argument is out of range.

    Example:

    >>> sub = SubPseudoLabel([0, 0, 1, 1], [0, 1, 1, 1], classes=2)
    >>> sub.labels.tolist(), sub.pairs.tolist()
    ([0, 2, 1, 1], [[0, 0], [1, 1], [0, 1]])

    Reference: Xiong et al., "Learning from Weakly-labeled Web Videos via Exploring Sub-Concepts", 2021,
    https://arxiv.org/abs/2101.03713.
    """

    def __init__(self, queries: Any, teachers: Any, classes: int, min_count: int = 1, rare: str = "query") -> None:
        self.classes = check_integer("classes", classes, 2)
        self.min_count = check_integer("min_count", min_count, 1)
        if rare not in ("query", "teacher", "drop"):
            raise ValueError(f'`rare` must be "query", "teacher" or "drop". Received: rare={rare!r}')
        self.rare = rare
        queries, teachers = self._checked(queries, teachers)
        counts = np.bincount(queries * self.classes + teachers, minlength=self.classes**2).reshape(classes, classes)
        own = [(k, k) for k in range(self.classes)]
        others = [(int(q), int(t)) for q, t in np.argwhere(counts >= self.min_count) if q != t]
        self.pairs = np.array(own + others, "int32")
        self.count = len(self.pairs)
        self._numbers = np.full((self.classes, self.classes), -1, "int32")
        kinds = np.arange(self.classes)
        if rare != "drop":
            self._numbers[:] = kinds[:, None] if rare == "query" else kinds[None, :]
        self._numbers[self.pairs[:, 0], self.pairs[:, 1]] = np.arange(self.count)
        self.labels = self.transform(queries, teachers)

    def transform(self, queries: Any, teachers: Any) -> np.ndarray:
        """The numbers of other samples, int32 `[N]`; pairs that were not kept are merged.

        Args:
            queries, teachers: as for the class.
        """
        queries, teachers = self._checked(queries, teachers)
        return self._numbers[queries, teachers]

    def inverse(self, labels: Any) -> tuple[np.ndarray, np.ndarray]:
        """The queries' and the teachers' classes of numbers from 0 to `count` - 1, `[N]` each."""
        labels = np.asarray(labels)
        if labels.size and not (0 <= labels.min() and labels.max() < self.count):
            raise ValueError(f"`labels` must lie in [0, {self.count}). Received: labels={labels}")
        return self.pairs[labels, 0], self.pairs[labels, 1]

    def _checked(self, queries: Any, teachers: Any) -> tuple[np.ndarray, np.ndarray]:
        arrays = {"queries": np.asarray(queries), "teachers": np.asarray(teachers)}
        for name, array in arrays.items():
            whole = array.ndim == 1 and array.dtype.kind in "iu"
            if not whole or (array.size and not (0 <= array.min() and array.max() < self.classes)):
                raise ValueError(
                    f"`{name}` must be class numbers in [0, {self.classes}), [N]. Received: {name}={array}"
                )
        if len(arrays["queries"]) != len(arrays["teachers"]):
            raise ValueError(
                f"`teachers` must be as many as the queries, {len(arrays['queries'])}. "
                f"Received: teachers={len(arrays['teachers'])} labels"
            )
        return arrays["queries"].astype("int64"), arrays["teachers"].astype("int64")
