"""Mean class recall on 8-pixel digits with 60 to 4 labels by class: adaptive weights of consistency or equal ones."""

from typing import Any

import numpy as np

from benchmarks.proofs._few_labels import network, small_digits, weak_and_strong
from benchmarks.proofs._shared import Timed

NAME = "AdaWAC"
MEASURE = "mean class recall"  # the higher, the better
METHOD, BASELINE = "AdaWAC", "equal mix"


def recall(seed: int, **options: Any) -> float:
    import keras

    import keras_ssl

    x, y, _, x_test, y_test = small_digits(seed, labels=600)
    counts = np.geomspace(60, 4, 10).astype(int)
    kept = np.concatenate([np.flatnonzero(y == kind)[:count] for kind, count in enumerate(counts)])
    keras.utils.set_random_seed(seed)
    model = keras_ssl.AdaWAC(
        network(), classes=10, dataset_size=len(kept), views=weak_and_strong(), seed=seed, **options
    )
    model.compile(keras.optimizers.Adam(2e-3), jit_compile=False)
    model.fit(x[kept], y[kept], batch_size=52, epochs=120, verbose=0)
    predicted = model.predict(x_test, verbose=0).argmax(axis=1)
    return float(np.mean([(predicted[y_test == kind] == kind).mean() for kind in range(10)]))


def run(seed: int) -> dict[str, float]:
    found = Timed()
    found["AdaWAC"] = recall(seed, rate=0.1)
    found["equal mix"] = recall(seed, rate=0.0)
    return found
