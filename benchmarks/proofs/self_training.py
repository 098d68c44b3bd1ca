"""Accuracy on the 8-pixel digits with 40 labels: pseudo-labels as intermediate training, beside fine-tuning."""

from typing import Any

import numpy as np

from benchmarks.proofs._few_labels import network, small_digits
from benchmarks.proofs._shared import Timed

NAME = "self_training"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "self-training", "fine-tuning"


def classifier(seed: int) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    images = keras.Input((8, 8, 1))
    logits = keras.layers.Dense(10)(network()(keras.layers.Rescaling(1 / 64, offset=-2.0)(images)))
    return keras.Model(images, logits)


def run(seed: int) -> dict[str, float]:
    from keras_ssl.workflows import self_training

    x, y, more, x_test, y_test = (part.astype("float32") if part.ndim > 1 else part for part in small_digits(seed))

    def accuracy(unlabeled: np.ndarray, **options: Any) -> float:
        settings = {"updates": 200, "pseudo_updates": 600, "seed": seed, **options}
        model = self_training(classifier(seed), x, y, unlabeled, **settings).model
        return float((model.predict(x_test, verbose=0).argmax(axis=1) == y_test).mean())

    found = Timed()
    found["self-training"] = accuracy(more)
    found["self-training, confidence above 0.8"] = accuracy(more, threshold=0.8)
    found["fine-tuning"] = accuracy(more[:0])
    return found
