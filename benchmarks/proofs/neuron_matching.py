"""Accuracy of the mean of two networks' weights, the hidden units of the second put in the order of their matches."""

import numpy as np

NAME = "neuron_matching"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "matched units", "as they are"


def run(seed: int) -> dict[str, float]:
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    from keras_ssl.evaluation import neuron_matching

    x, y = load_digits(return_X_y=True)
    x = x / 16
    first, second = (
        MLPClassifier((64,), max_iter=60, random_state=2 * seed + k).fit(x[:1200], y[:1200]) for k in (0, 1)
    )

    def hidden(network: MLPClassifier) -> np.ndarray:
        return np.maximum(x[:1200] @ network.coefs_[0] + network.intercepts_[0], 0)

    def accuracy(order: np.ndarray) -> float:
        w = (first.coefs_[0] + second.coefs_[0][:, order]) / 2
        b = (first.intercepts_[0] + second.intercepts_[0][order]) / 2
        v = (first.coefs_[1] + second.coefs_[1][order]) / 2
        c = (first.intercepts_[1] + second.intercepts_[1]) / 2
        scores = np.maximum(x[1200:] @ w + b, 0) @ v + c
        return float(np.mean(scores.argmax(axis=1) == y[1200:]))

    found = neuron_matching(hidden(first), hidden(second))
    return {
        "matched units": accuracy(found.columns),
        "as they are": accuracy(np.arange(64)),
        "one network": float(first.score(x[1200:], y[1200:])),
        "mean correlation": found.score,
    }
