"""Accuracy of a student of pseudo-labels, of a teacher with 60 labels: uncertain ones weighted down, and all alike."""

from typing import Any

import numpy as np

from benchmarks.proofs._calibrated import cross_entropy, logits, network, small_digits, train
from benchmarks.proofs._shared import Timed

NAME = "UncertaintyWeightedLoss"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "weighted", "unweighted"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.losses import UncertaintyWeightedLoss

    x, y, x_test, y_test = small_digits(seed, 1000)
    teacher = train(network(seed), cross_entropy(), x[:60], y[:60], 100)
    pseudo = logits(teacher, x).argmax(axis=1).astype("int32")
    found = Timed()
    found["teacher"] = float((logits(teacher, x_test).argmax(axis=1) == y_test).mean())
    found["pseudo-labels right"] = float((pseudo == y).mean())

    class First(keras.losses.Loss):
        """Cross-entropy of the first pass."""

        def call(self, y_true: Any, y_pred: Any) -> Any:
            return keras.losses.sparse_categorical_crossentropy(y_true, y_pred[:, 0], from_logits=True)

    for name, loss in (("weighted", UncertaintyWeightedLoss(0.1)), ("unweighted", First())):
        keras.utils.set_random_seed(seed)
        layers = keras.layers
        inputs = keras.Input((8, 8, 1))
        body = keras.Sequential(
            [
                layers.Input((64,)),
                layers.Dense(128, activation="relu"),
                layers.Dropout(0.3),
                layers.Dense(128, activation="relu"),
                layers.Dropout(0.3),
                layers.Dense(10),
            ]
        )
        flat = layers.Flatten()(inputs)
        # Two passes under other dropout.
        passes = [layers.Reshape((1, 10))(body(flat)) for _ in range(2)]
        model = keras.Model(inputs, layers.Concatenate(axis=1)(passes))
        train(model, loss, x, pseudo, 40)
        found[name] = float((np.asarray(logits(model, x_test))[:, 0].argmax(axis=1) == y_test).mean())
    return found
