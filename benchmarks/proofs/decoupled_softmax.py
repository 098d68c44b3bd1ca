"""Precision at 1 of a classifier of two digits side by side: decoupled softmax, and one softmax for both labels."""

import numpy as np

from benchmarks.proofs._metric import perceptron, retrieved, shuffled_split, small_digits, train, two_digits
from benchmarks.proofs._shared import Timed

NAME = "decoupled_softmax_loss"
MEASURE = "precision at 1"  # the higher, the better
METHOD, BASELINE = "decoupled softmax", "softmax"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl import losses

    x, y = small_digits()
    halves = shuffled_split(seed, 1000, len(x))
    rng = np.random.default_rng(seed)

    def pairs(pool, count):
        chosen = rng.choice(pool, (count, 2))
        labels = np.zeros((count, 10), "float32")
        labels[np.arange(count)[:, None], y[chosen]] = 1.0
        return x[chosen].reshape(count, -1), labels

    (x_train, y_train), (x_test, y_test) = pairs(halves[0], 2048), pairs(halves[1], 2000)

    def shared(labels, logits):
        return keras.ops.mean(-keras.ops.sum(labels * keras.ops.log_softmax(logits), axis=1))

    kinds = two_digits(np.concatenate([y_train, y_test]))
    kinds, kinds_test = kinds[: len(y_train)], kinds[len(y_train) :]
    found = Timed()
    for name, loss in ((METHOD, lambda labels, s: losses.decoupled_softmax_loss(s, labels)), (BASELINE, shared)):
        keras.utils.set_random_seed(seed)
        model = train(perceptron(128, 10), loss, x_train, y_train, 20)
        scores = model.predict(x_test, verbose=0)
        order = np.argsort(-scores, axis=1)
        found[name] = float(np.take_along_axis(y_test, order[:, :1], 1).mean())
        found[f"precision at 2, {name}"] = float(np.take_along_axis(y_test, order[:, :2], 1).mean())
        hidden = keras.Model(model.inputs, model.layers[-2].output)
        z, z_test = (hidden.predict(part, verbose=0) for part in (x_train, x_test))
        found |= retrieved(name, z_test, kinds_test, (z, kinds))
    return found
