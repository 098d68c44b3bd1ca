"""What the first hundred labels are best used for."""

from typing import Any, NamedTuple

import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.evaluation.interpretability.label_model import LabelModel
from keras_ssl.evaluation.linear_probe import probe_data
from keras_ssl.losses.numeric import check_integer
from keras_ssl.random import permutation
from keras_ssl.typing import Tensor

__all__ = ["LabelEfficiency", "LabelEfficiencyEvaluator"]


class LabelEfficiency(NamedTuple):
    """Accuracies on the test part, 0 to 1, and what the labeling functions did.

    `supervised`: a linear classifier of the labeled samples alone. `weak`: one of all samples, with the labels of the
    label model where it has one (the given labels where there are some). `label_model`: the label model's own
    predictions of test samples. `coverage`: the share of training samples on which a function votes.

    Example:

    >>> LabelEfficiency(supervised=0.9, weak=0.8, label_model=0.7, coverage=1.0).supervised
    0.9
    """

    supervised: float
    weak: float
    label_model: float
    coverage: float


class LabelEfficiencyEvaluator:
    """Compares two uses of a few labels on frozen features: training on them, and functions that label the rest.

    The functions are simple ones, learned from the labeled samples:

    - a stump for each class: the one feature and threshold that separate it best from the others (by a decision tree of
      depth 1 with balanced classes). It votes for the class, or abstains;
    - nearest neighbors (cosine) in `subspaces` random halves of the dimensions: a vote where all `neighbors` agree,
      else none.

    A `LabelModel` finds their accuracies by their agreement on all training samples, and labels these. A linear
    classifier (multinomial logistic regression) is then trained on those labels. Labeled samples of one seed are
    nested: those of 50 labels are among those of 100, and each class has a first one before any has a second.

    Args:
        labels: number of labels. Defaults to 100.
        subspaces: of the nearest-neighbor functions. Defaults to 5.
        neighbors: of each. Defaults to 3.
        regularization: weight decay of the linear classifiers, as in `linear_probe`. Defaults to 1e-3.
        seed: of the draws. Defaults to 0.

    Raises:
        ValueError: if an argument is out of range.

    Example:

    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> x = rng.normal(size=(200, 4)) + 4 * y[:, None]
    >>> found = LabelEfficiencyEvaluator(labels=20)(x[:100], y[:100], x[100:], y[100:])
    >>> bool(found.supervised > 0.95 and found.weak > 0.95)
    True

    Reference:
        Roberts et al., "AutoWS-Bench-101: Benchmarking Automated Weak Supervision with 100 Labels", NeurIPS 2022.
    """

    def __init__(
        self,
        labels: int = 100,
        subspaces: int = 5,
        neighbors: int = 3,
        regularization: float = 1e-3,
        seed: int = 0,
    ) -> None:
        self.labels = check_integer("labels", labels, 2)
        self.subspaces = check_integer("subspaces", subspaces, 0)
        self.neighbors = check_integer("neighbors", neighbors, 1)
        self.regularization = check_number("regularization", regularization, 0.0, above=True)
        self.seed = check_integer("seed", seed, 0)

    def __call__(self, x: Tensor, y: Tensor, x_test: Tensor, y_test: Tensor) -> LabelEfficiency:
        """The accuracies.

        Args:
            x: training features `[N, D]`, of which `labels` keep their label.
            y: integers or strings `[N]`.
            x_test: `[M, D]`.
            y_test: `[M]`.

        Raises:
            ValueError: if shapes do not fit, there are fewer samples than `labels`, or fewer than two classes among
                the labeled ones.
            ImportError: if scikit-learn is not installed.
        """
        train, names, test, truth = probe_data(x, y, x_test, y_test)
        chosen = self.labeled(names)
        classes, numbers = np.unique(names[chosen], return_inverse=True)
        if len(classes) < 2:
            raise ValueError(f"`labels` must hold samples of at least 2 classes. Received: labels={self.labels}")
        mean, std = train.mean(axis=0), train.std(axis=0)
        train, test = ((part - mean) / np.where(std > 0, std, 1.0) for part in (train, test))
        functions = self._functions(train[chosen], numbers, len(classes))
        votes, test_votes = (np.stack([vote(part) for vote in functions], axis=1) for part in (train, test))
        prior = np.bincount(numbers, minlength=len(classes)) / len(numbers)
        model = LabelModel(len(classes), prior).fit(votes)
        covered = np.any(votes >= 0, axis=1)
        weak = model.predict(votes)
        weak[chosen] = numbers
        known = np.union1d(np.flatnonzero(covered), chosen)
        scores = []
        for features, labels in ((train[chosen], numbers), (train[known], weak[known])):
            classifier = self._classifier(len(labels)).fit(features, labels)
            scores.append(float(np.mean(classes[classifier.predict(test)] == truth)))
        by_model = float(np.mean(classes[model.predict(test_votes)] == truth))
        return LabelEfficiency(scores[0], scores[1], by_model, float(covered.mean()))

    def labeled(self, labels: Tensor) -> np.ndarray:
        """The numbers of the samples that keep their label, int64, in the order of the draw: class by class in turn."""
        names = np.asarray(labels)
        if self.labels > len(names):
            raise ValueError(
                f"`labels` must be at most the number of samples, {len(names)}. Received: labels={self.labels}"
            )
        order = permutation(len(names), self.seed, 0)
        turn = np.zeros(len(names), np.int64)
        for name in np.unique(names):
            members = np.flatnonzero(names[order] == name)
            turn[members] = np.arange(len(members))
        return np.asarray(order)[np.argsort(turn, kind="stable")][: self.labels]

    def _functions(self, x: np.ndarray, y: np.ndarray, classes: int) -> list[Any]:
        tree = _scikit_learn().tree.DecisionTreeClassifier
        stumps = [tree(max_depth=1, class_weight="balanced", random_state=0).fit(x, y == k) for k in range(classes)]

        def by_stump(stump: Any, label: int) -> Any:
            return lambda features: np.where(stump.predict(features), label, -1)

        functions = [by_stump(stump, label) for label, stump in enumerate(stumps)]
        rng, width = np.random.default_rng(self.seed), x.shape[1]
        for _ in range(self.subspaces):
            columns = rng.permutation(width)[: (width + 1) // 2]
            functions.append(_Neighbors(x[:, columns], y, columns, min(self.neighbors, len(x))))
        return functions

    def _classifier(self, samples: int) -> Any:
        regression = _scikit_learn().linear_model.LogisticRegression
        return regression(C=1 / (self.regularization * samples), max_iter=500)


class _Neighbors:
    """Votes where the nearest samples agree."""

    def __init__(self, keys: np.ndarray, labels: np.ndarray, columns: np.ndarray, count: int) -> None:
        self.keys, self.labels, self.columns, self.count = _unit(keys), labels, columns, count

    def __call__(self, features: np.ndarray) -> np.ndarray:
        similarity = _unit(features[:, self.columns]) @ self.keys.T
        nearest = np.argsort(-similarity, axis=1, kind="stable")[:, : self.count]
        votes = self.labels[nearest]
        return np.where((votes == votes[:, :1]).all(axis=1), votes[:, 0], -1)


def _unit(x: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(length > 0, length, 1.0)


def _scikit_learn() -> Any:
    try:
        import sklearn.linear_model
        import sklearn.tree
    except ImportError as error:
        raise ImportError("LabelEfficiencyEvaluator needs scikit-learn: pip install scikit-learn") from error
    return sklearn
