"""Accuracy on test digits, odd or even, after training on 300 with 10 % wrong labels: EnsLoss, and logistic loss."""

from typing import Any

import numpy as np

from benchmarks.proofs._calibrated import logits, network, small_digits, train
from benchmarks.proofs._shared import Timed

NAME = "EnsLoss"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "EnsLoss", "logistic"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.losses import EnsLoss

    x, y, x_test, y_test = small_digits(seed, 300)
    flipped = np.random.RandomState(seed + 100).uniform(size=len(y)) < 0.1
    labels = ((y % 2) ^ flipped).astype("int32")
    losses: dict[str, Any] = {
        "EnsLoss": EnsLoss(seed=seed),
        "logistic": keras.losses.BinaryCrossentropy(from_logits=True),
    }
    found = Timed()
    for name, loss in losses.items():
        model = train(network(seed, outputs=1), loss, x, labels[:, None], 100)
        found[name] = float(((logits(model, x_test)[:, 0] > 0) == y_test % 2).mean())
    return found
