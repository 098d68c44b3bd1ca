"""Mean accuracy of the classes where these fall from 120 to 4 images: MDCS beside one head with the cross-entropy."""

import numpy as np

from benchmarks.proofs._distilled import CLASSES, data, student_accuracy
from benchmarks.proofs._shared import Timed

NAME = "MDCS"
MEASURE = "balanced accuracy"  # the higher, the better
METHOD, BASELINE = "MDCS", "cross-entropy"


def run(seed: int) -> dict[str, float]:
    import keras_ssl

    x, y, *_ = data()
    counts = np.round(120 * (4 / 120) ** (np.arange(CLASSES) / (CLASSES - 1))).astype(int)
    rng = np.random.RandomState(seed)
    kept = np.concatenate([rng.permutation(np.flatnonzero(y == kind))[:count] for kind, count in enumerate(counts)])
    found = Timed()
    for name, options in (
        ("MDCS", {"class_counts": counts}),
        ("balanced softmax", {"class_counts": counts, "tilts": (1.0,), "consistency": 0.0}),
        ("cross-entropy", {"tilts": (0.0,), "consistency": 0.0}),
    ):
        found[name], _ = student_accuracy(
            lambda encoder, more=options, **rest: keras_ssl.MDCS(encoder, CLASSES, **more, **rest),
            x[kept],
            y[kept],
            seed,
            width=64,
            epochs=100,
            balanced=True,
        )
    return found
