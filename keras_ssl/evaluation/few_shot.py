"""Few-shot episodes: how well a classifier does on classes of which it has seen a few samples."""

from typing import Any, NamedTuple, Protocol

import numpy as np

from keras_ssl.evaluation.nearest_mean_classifier import NearestMeanClassifier
from keras_ssl.evaluation.validation import as_features, labeled_only
from keras_ssl.losses.numeric import check_integer
from keras_ssl.typing import Tensor


class FewShotAccuracy(NamedTuple):
    """The mean accuracy over episodes, and half the width of its 95 % confidence interval (both 0 to 1)."""

    accuracy: float
    interval: float


class Classifier(Protocol):
    """What classifies an episode: any probe of this package, any classifier of scikit-learn."""

    def fit(self, features: np.ndarray, labels: np.ndarray) -> Any:
        """Learns from the support set, `[ways * shots, D]`, and forgets what it knew."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """The labels of all queries of the episode, `[ways * queries, D]`, in one call."""


def few_shot(
    features: Tensor,
    labels: Tensor,
    ways: int = 5,
    shots: int = 1,
    queries: int = 15,
    episodes: int = 600,
    classifier: Classifier | None = None,
    seed: int = 0,
) -> FewShotAccuracy:
    r"""Accuracy over few-shot episodes, with its confidence interval.

    An episode draws `ways` classes, and from each `shots` samples to learn from and `queries` others to classify,
    all without replacement. The mean over E episodes has the interval

    .. math:: \bar a \pm 1.96 \, \frac{s}{\sqrt E}

    with the sample standard deviation s of the episodes' accuracies. It covers the draw of episodes, not of the data
    set. Episode e is a function of (`seed`, e): classifiers compared under one seed see the same episodes, and more
    episodes continue the same series. Chance is `1 / ways`.

    Args:
        features: `[N, D]`, any floating type.
        labels: integers or strings `[N]`; each class needs `shots + queries` samples. Samples of -1 (unlabeled) are
            left out.
        ways: classes in an episode, at least 2. Defaults to 5.
        shots: labelled samples of each. Defaults to 1.
        queries: samples of each to classify. Defaults to 15.
        episodes: their number, at least 2. Defaults to 600.
        classifier: anything with `fit` and `predict`, for instance `TransductiveFewShot()`, which sees all queries of
            an episode together. Defaults to `None`: `NearestMeanClassifier()`, which on features as given is the
            classifier of prototypical networks; normalize them first for cosine distance.
        seed: of the draws. Defaults to 0.

    Returns:
        The named tuple `(accuracy, interval)`.

    Raises:
        ValueError: if shapes do not fit, a row holds NaN or infinity (its number is named), a number is out of
            range, there are fewer than `ways` classes, or a class has too few samples (it is named).

    Example:

    >>> features = np.repeat([[0.0], [1.0], [2.0]], 4, axis=0)
    >>> few_shot(features, np.repeat(["a", "b", "c"], 4), ways=2, shots=1, queries=3, episodes=10)
    FewShotAccuracy(accuracy=1.0, interval=0.0)

    Reference:
        Snell et al., "Prototypical Networks for Few-shot Learning", NeurIPS 2017; Chen et al., "A Closer Look at
        Few-shot Classification", ICLR 2019 (600 episodes of 15 queries).
    """
    array, names = labeled_only("features", as_features("features", features), "labels", labels)
    ways, episodes = check_integer("ways", ways, 2), check_integer("episodes", episodes, 2)
    shots, queries = check_integer("shots", shots, 1), check_integer("queries", queries, 1)
    seed = check_integer("seed", seed, 0)
    classes, counts = np.unique(names, return_counts=True)
    if len(classes) < ways:
        raise ValueError(f"Argument `ways` must not exceed the {len(classes)} classes. Received: ways={ways}")
    if counts.min() < shots + queries:
        raise ValueError(
            f"Every class must have `shots` + `queries` samples; class {classes[counts.argmin()]!s} has "
            f"{counts.min()}. Received: shots={shots}, queries={queries}"
        )
    classifier = NearestMeanClassifier() if classifier is None else classifier
    members = [np.flatnonzero(names == name) for name in classes]
    accuracies = np.empty(episodes)
    for episode in range(episodes):
        rng = np.random.default_rng((seed, episode))
        drawn = rng.permutation(len(classes))[:ways]
        samples = np.stack([rng.permutation(members[number])[: shots + queries] for number in drawn])
        support, query = samples[:, :shots].ravel(), samples[:, shots:].ravel()
        classifier.fit(array[support], names[support])
        accuracies[episode] = np.mean(classifier.predict(array[query]) == names[query])
    return FewShotAccuracy(float(accuracies.mean()), float(1.96 * accuracies.std(ddof=1) / np.sqrt(episodes)))
