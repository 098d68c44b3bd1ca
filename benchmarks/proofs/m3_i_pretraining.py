"""Accuracy of a small network after contrast of views, after a classifier on 300 labels, and after M3I, which has both
as targets, in equally many steps."""

from typing import Any

from benchmarks.proofs._shared import Timed

NAME = "M3I"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "linear, M3I", "linear, view alone"
LABELED, COUNT, EPOCHS = 300, 3000, 12


def run(seed: int) -> dict[str, float]:
    import keras
    import numpy as np

    import keras_ssl
    from benchmarks.proofs._shared import features, scores
    from keras_ssl.data import colored_digits

    x, y = colored_digits("train", size=16, count=COUNT)
    known = np.where(np.arange(COUNT) % (COUNT // LABELED) == 0, y, -1).astype("int32")
    kinds: dict[str, dict[str, Any]] = {
        "view alone": {"classes": None, "mix": 0.0},
        "class alone": {"view_weight": 0.0, "mix": 0.0},
        "M3I without mixing": {"mix": 0.0},
        "M3I": {"mix": 0.5},
    }
    found = Timed()
    for name, options in kinds.items():
        keras.utils.set_random_seed(seed)
        encoder = keras_ssl.encoders.ConvNet((16, 32, 64))
        model = keras_ssl.M3IPretraining(
            encoder,
            **{"classes": 10, "projector": (128, 64), "temperature": 0.2, **options},
            views=keras_ssl.views.colored_digits(),
            seed=seed,
        )
        model.compile(keras.optimizers.Adam(2e-3))
        model.fit({"x": x, "y": known}, epochs=EPOCHS, batch_size=128, verbose=0)
        found |= {f"{kind}, {name}": value for kind, value in scores(features(model)).items()}
    return found
