"""Linear accuracy of features pretrained on 8-pixel digits some 36 % with a wrong weak label: by which labels."""

import numpy as np

from benchmarks.proofs._few_labels import small_digits
from benchmarks.proofs._shared import Timed

NAME = "SubPseudoLabel"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "SubPseudoLabel", "pseudo-labels"


def run(seed: int) -> dict[str, float]:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier

    from keras_ssl.data import SubPseudoLabel

    x, y, more, x_test, y_test = small_digits(seed)
    x, more, x_test = (images.reshape(len(images), -1) / 255.0 for images in (x, more, x_test))
    order = np.random.default_rng(seed).permutation(len(load_digits().target))
    truth = load_digits().target[order[len(x_test) :]]
    rng = np.random.default_rng(seed + 1)
    weak = np.where(rng.random(len(truth)) < 0.4, rng.integers(0, 10, len(truth)), truth)
    teacher = MLPClassifier((64,), alpha=1e-2, max_iter=200, random_state=seed).fit(x, y).predict(more)
    labels = {
        "SubPseudoLabel": SubPseudoLabel(weak, teacher, 10, min_count=3).labels,
        "pseudo-labels": teacher,
        "weak labels": weak,
    }
    found = Timed()
    for name, targets in labels.items():
        model = MLPClassifier((32,), alpha=1e-3, max_iter=60, random_state=seed, tol=0.0).fit(more, targets)

        def features(rows: np.ndarray, model: MLPClassifier = model) -> np.ndarray:
            return np.maximum(rows @ model.coefs_[0] + model.intercepts_[0], 0.0)

        probe = LogisticRegression(max_iter=2000).fit(features(x), y)
        found[name] = probe.score(features(x_test), y_test)
    return found
