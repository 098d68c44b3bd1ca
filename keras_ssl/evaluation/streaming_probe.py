"""What the classifiers that learn from a stream of features share."""

from typing import Self

import numpy as np

from keras_ssl.evaluation.spectrum import blocks
from keras_ssl.evaluation.validation import as_features, labeled_only
from keras_ssl.typing import Tensor


class StreamingProbe:
    """Base of the classifiers with `fit`, `partial_fit`, `predict` and `score` in scikit-learn's sense.

    `partial_fit` takes what comes, in batches of any size and order, classes that are new among them; after it the
    probe equals one that saw all samples at once. No sample is kept. State is in float64. Samples whose label is -1
    (unlabeled) are left out of learning and scoring.

    A subclass writes `_start`, `_add_class`, `_update` and `_decision`.
    """

    classes_: np.ndarray
    n_features_in_: int

    def fit(self, features: Tensor, labels: Tensor) -> Self:
        """Forgets what was learned and learns from features `[N, D]` and labels `[N]`. Returns the probe."""
        array, names = labeled_only("features", as_features("features", features), "labels", labels)
        for attribute in [name for name in vars(self) if name.endswith("_")]:
            delattr(self, attribute)
        return self._learn(array, names)

    def partial_fit(self, features: Tensor, labels: Tensor) -> Self:
        """Learns from further features `[N, D]` and labels `[N]`. Returns the probe.

        Raises:
            ValueError: if shapes do not fit, a row holds NaN or infinity (its number is named), or the
                dimension or the kind of labels (integers, strings) is not that of earlier batches.
        """
        array = as_features("features", features)
        array, names = labeled_only("features", array, "labels", labels, required=False)
        return self._learn(array, names) if len(array) else self

    def predict(self, features: Tensor) -> np.ndarray:
        """The predicted labels `[M]` of features `[M, D]`; of classes that are equally likely the first one.

        Raises:
            ValueError: if nothing was learned yet, shapes do not fit, or a row holds NaN or infinity.
        """
        scores = self.decision_function(features)
        return self.classes_[scores.argmax(axis=1)]

    def decision_function(self, features: Tensor) -> np.ndarray:
        """Scores float64 `[M, C]` of features `[M, D]`, in the order of `classes_`; the largest one wins."""
        array = as_features("features", features)
        if not hasattr(self, "classes_"):
            raise ValueError(
                f"{type(self).__name__} has learned nothing yet: call `fit` first. Received: no `classes_`"
            )
        self._check_width(array)
        return np.concatenate([self._decision(block) for block in blocks(array, len(self.classes_))])

    def score(self, features: Tensor, labels: Tensor) -> float:
        """The fraction of features `[M, D]` that `predict` gives their label `[M]`, 0 to 1."""
        array, truth = labeled_only("features", as_features("features", features), "labels", labels)
        return float(np.mean(self.predict(array) == truth))

    def _start(self, width: int) -> None:
        """Makes the state of a probe for features of this width that knows no class."""
        raise NotImplementedError

    def _add_class(self, number: int) -> None:
        """Makes room in the state for a class that has this number from now on; later ones move up by one."""
        raise NotImplementedError

    def _update(self, features: np.ndarray, numbers: np.ndarray) -> None:
        """Learns from a float64 block `[B, D]` whose rows are of the classes of these numbers, `[B]`."""
        raise NotImplementedError

    def _decision(self, features: np.ndarray) -> np.ndarray:
        """The scores `[B, C]` of a float64 block `[B, D]`."""
        raise NotImplementedError

    def _learn(self, features: np.ndarray, labels: np.ndarray) -> Self:
        names, numbers = np.unique(labels, return_inverse=True)
        if hasattr(self, "classes_"):
            self._check_width(features)
            if (names.dtype.kind in "US") != (self.classes_.dtype.kind in "US"):
                raise ValueError(
                    "Argument `labels` must be of one kind, integers or strings, in all batches. "
                    f"Received: labels.dtype={names.dtype} after {self.classes_.dtype}"
                )
            known = self.classes_
        else:
            self.n_features_in_ = features.shape[1]
            self._start(features.shape[1])
            known = names[:0]
        for name in names:
            place = int(np.searchsorted(known, name))
            if place == len(known) or known[place] != name:
                # Concatenated rather than inserted: that would cut a longer string to the known ones' length.
                known = np.concatenate([known[:place], [name], known[place:]])
                self._add_class(place)
        self.classes_ = known
        numbers = np.searchsorted(known, names)[numbers]
        start = 0
        for block in blocks(features):
            self._update(block, numbers[start : start + len(block)])
            start += len(block)
        return self

    def _check_width(self, features: np.ndarray) -> None:
        if features.shape[1] != self.n_features_in_:
            raise ValueError(
                f"Argument `features` must have the dimension of earlier batches ({self.n_features_in_}). "
                f"Received: features.shape={features.shape}"
            )
