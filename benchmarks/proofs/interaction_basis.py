"""Accuracy of a network whose hidden layer is cut to five directions: of the interaction basis, and principal ones."""

import numpy as np

NAME = "interaction_basis"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "interaction basis", "principal directions"
DIRECTIONS = 5


def run(seed: int) -> dict[str, float]:
    from sklearn.datasets import load_digits
    from sklearn.neural_network import MLPClassifier

    from keras_ssl.evaluation import interaction_basis

    x, y = load_digits(return_X_y=True)
    x = x / 16
    network = MLPClassifier((64, 32), max_iter=60, random_state=seed).fit(x[:1200], y[:1200])
    (w, v, u), (b, c, d) = network.coefs_, network.intercepts_
    train, test = (np.maximum(part @ w + b, 0) for part in (x[:1200], x[1200:]))

    def rest(hidden: np.ndarray) -> np.ndarray:
        return np.maximum(hidden @ v + c, 0) @ u + d

    def accuracy(hidden: np.ndarray) -> float:
        return float(np.mean(rest(hidden).argmax(axis=1) == y[1200:]))

    active = (train @ v + c > 0).astype(float)
    jacobians = np.einsum("jk,nj,ij->nki", u, active, v)
    basis = interaction_basis(train, jacobians)
    _, vectors = np.linalg.eigh(train.T @ train)
    principal = vectors[:, -DIRECTIONS:]
    return {
        "interaction basis": accuracy(basis.project(test, DIRECTIONS)),
        "principal directions": accuracy(test @ principal @ principal.T),
        "all directions": accuracy(test),
    }
