"""Average precision of a linear probe of the labels of two digits side by side: SoftCon, and MoCo."""

import numpy as np

from benchmarks.proofs._metric import fit, perceptron, retrieved, shuffled_split, small_digits, two_digits
from benchmarks.proofs._shared import Timed

NAME = "SoftCon"
MEASURE = "mean average precision of a linear probe"  # the higher, the better
METHOD, BASELINE = "SoftCon", "MoCo"


def run(seed: int) -> dict[str, float]:
    import keras
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import average_precision_score
    from sklearn.multiclass import OneVsRestClassifier

    import keras_ssl

    x, y = small_digits()
    rng = np.random.default_rng(seed)

    def pairs(pool, count):
        chosen = rng.choice(pool, (count, 2))
        labels = np.zeros((count, 10), "float32")
        labels[np.arange(count)[:, None], y[chosen]] = 1.0
        return x[chosen].reshape(count, -1), labels

    train, test = shuffled_split(seed, 1000, len(x))
    (x_train, y_train), (x_test, y_test) = pairs(train, 2048), pairs(test, 1000)
    kinds = two_digits(np.concatenate([y_train, y_test]))
    kinds, kinds_test = kinds[: len(y_train)], kinds[len(y_train) :]
    found = Timed()
    for name, weight in ((METHOD, 1.0), (BASELINE, 0.0)):
        keras.utils.set_random_seed(seed)
        model = keras_ssl.SoftCon(
            perceptron(128, 64, noise=0.1),
            weight=weight,
            projector=(32,),
            batch_norm=True,
            queue_size=1024,
            momentum=0.95,
            seed=seed,
        )
        fit(model, {"x": (x_train, x_train), "labels": y_train}, 20)
        z, z_test = (model.predict(part, verbose=0) for part in (x_train, x_test))
        probe = OneVsRestClassifier(LogisticRegression(max_iter=300)).fit(z[:500] / z.std(), y_train[:500])
        found[name] = float(average_precision_score(y_test, probe.decision_function(z_test / z.std())))
        found |= retrieved(name, z_test, kinds_test, (z, kinds))
    return found
