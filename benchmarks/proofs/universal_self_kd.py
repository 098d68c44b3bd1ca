"""Accuracy with 200 labels: UniversalSelfKD beside the cross-entropy, with as many steps."""

import numpy as np

from benchmarks.proofs._distilled import CLASSES, data, few, student_accuracy
from benchmarks.proofs._shared import Timed

NAME = "UniversalSelfKD"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "UniversalSelfKD", "cross-entropy"


def run(seed: int) -> dict[str, float]:
    import keras_ssl

    x, y, *_ = data()
    kept = np.flatnonzero(few(y, 200, seed) >= 0)
    found = Timed()
    for name, options in (
        ("UniversalSelfKD", {}),
        ("cross-entropy", {"target_weight": 0.0, "other_weight": 0.0, "weak_weight": 0.0}),
    ):
        found[name], _ = student_accuracy(
            lambda encoder, more=options, **rest: keras_ssl.UniversalSelfKD(encoder, CLASSES, **more, **rest),
            x[kept],
            y[kept],
            seed,
            width=64,
            epochs=100,
        )
    return found
