"""Accuracy on 8-pixel digits with 40 labels: self-training of a small network, by thresholds of mixtures or fixed."""

import numpy as np

from benchmarks.proofs._few_labels import small_digits
from benchmarks.proofs._shared import Timed

NAME = "GMMThreshold"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "GMMThreshold", "threshold 0.95"
ROUNDS = 4


def run(seed: int) -> dict[str, float]:
    from sklearn.neural_network import MLPClassifier

    from keras_ssl.evaluation import GMMThreshold

    x, y, more, x_test, y_test = small_digits(seed)
    x, more, x_test = (images.reshape(len(images), -1) / 255.0 for images in (x, more, x_test))

    def fitted(inputs: np.ndarray, labels: np.ndarray) -> MLPClassifier:
        return MLPClassifier((64,), alpha=1e-2, max_iter=150, random_state=seed, tol=0.0).fit(inputs, labels)

    first = fitted(x, y)
    found = Timed()
    found["labels alone"] = first.score(x_test, y_test)
    for name in ("GMMThreshold", "threshold 0.95", "no threshold"):
        model = first
        for _ in range(ROUNDS):
            p = model.predict_proba(more)
            scores, labels = p.max(axis=1), p.argmax(axis=1)
            fixed = np.full(10, 0.95 if name == "threshold 0.95" else 0.0)
            least = GMMThreshold(default=0.5).fit_classes(scores, labels, 10) if name == "GMMThreshold" else fixed
            kept = scores >= least[labels]
            inputs = np.concatenate([np.repeat(x, 3, axis=0), more[kept]])
            model = fitted(inputs, np.concatenate([np.repeat(y, 3), labels[kept]]))
        found[name] = model.score(x_test, y_test)
    return found
