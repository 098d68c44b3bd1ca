"""Episodes of digits 0 to 4, and the accuracy of one-shot episodes of digits 5 to 9."""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.proofs._metric import held_out, perceptron, retrieved, train

WAYS, SHOTS, QUERIES = 5, 5, 5
SUPPORT = WAYS * SHOTS


def prototypical(labels: Any, z: Any) -> Any:
    """The loss of prototypical networks: cross-entropy of minus the squared distances."""
    import keras

    ops = keras.ops
    prototypes = ops.mean(ops.reshape(z[:SUPPORT], (WAYS, SHOTS, -1)), axis=1)
    distances = ops.sum(ops.square(z[SUPPORT:, None] - prototypes[None]), axis=2)
    return ops.mean(keras.losses.sparse_categorical_crossentropy(labels[SUPPORT:], -distances, from_logits=True))


def accuracies(name: str, seed: int, loss: Callable[[Any, Any], Any]) -> dict[str, float]:
    """One-shot accuracy on unseen classes after 400 episodes, by the name of a setting, and retrieval among them."""
    import keras

    from keras_ssl import evaluation

    x, y, x_test, y_test = held_out()
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(400):
        drawn = np.stack([rng.permutation(np.flatnonzero(y == c))[: SHOTS + QUERIES] for c in range(WAYS)])
        rows += [drawn[:, :SHOTS].ravel(), drawn[:, SHOTS:].ravel()]
    rows = np.concatenate(rows)
    keras.utils.set_random_seed(seed)
    model = train(perceptron(64, 32), loss, x[rows], y[rows], 1, WAYS * (SHOTS + QUERIES), shuffle=False)
    z = model.predict(x_test, verbose=0)
    found = evaluation.few_shot(z, y_test, ways=5, shots=1, episodes=300, seed=seed).accuracy
    return {name: found, **retrieved(name, z, y_test)}
