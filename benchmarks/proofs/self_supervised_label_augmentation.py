"""Accuracy on the 8-pixel digits with 100 labels: joint labels of class and rotation beside classes alone."""

from typing import Any

from benchmarks.proofs._few_labels import network, small_digits, two_weak
from benchmarks.proofs._shared import Timed

NAME = "SelfSupervisedLabelAugmentation"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "aggregated", "classes alone"


def accuracy(seed: int, **options: Any) -> float:
    import keras

    import keras_ssl

    x, y, _, x_test, y_test = small_digits(seed, labels=100)
    keras.utils.set_random_seed(seed)
    model = keras_ssl.SelfSupervisedLabelAugmentation(network(), classes=10, views=two_weak(), seed=seed, **options)
    model.compile(keras.optimizers.Adam(keras_ssl.schedules.WarmupCosine(3e-3, 600, 30)), jit_compile=False)
    model.fit(x, y, batch_size=50, epochs=300, verbose=0)
    return float((model.predict(x_test, verbose=0).argmax(axis=1) == y_test).mean())


def run(seed: int) -> dict[str, float]:
    found = Timed()
    found["aggregated"] = accuracy(seed)
    found["single head, distilled"] = accuracy(seed, self_distillation=True)
    found["classes alone"] = accuracy(seed, transforms="identity")
    return found
