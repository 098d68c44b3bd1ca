"""Accuracy on pale 8-pixel digits on a slope of gray: two teachers and their divergence, beside equal weights."""

from typing import Any

from benchmarks.proofs._few_labels import network, weak_and_strong
from benchmarks.proofs._shared import Timed
from benchmarks.proofs.masked_image_consistency import domains

NAME = "DivergenceWeightedSelfTraining"
MEASURE = "accuracy of the target domain"  # the higher, the better
METHOD, BASELINE = "DivergenceWeightedSelfTraining", "source alone"
EPOCHS = 16


def accuracy(seed: int, weight: float = 0.3, **options: Any) -> float:
    import keras

    import keras_ssl
    from benchmarks.proofs._shared import labels_first

    x, y, target, x_test, y_test = domains(seed)
    keras.utils.set_random_seed(seed)
    momenta = {"momentum": 0.98, "second_momentum": 0.8}
    model = keras_ssl.DivergenceWeightedSelfTraining(
        network(), classes=10, views=weak_and_strong(), seed=seed, **momenta, **options
    )
    streams = {"source": {"x": x, "y": y}, "target": {"x": target}}
    data = keras_ssl.data.from_streams(streams, (1, 1), batch_size=64, seed=seed)
    labels_first(model, data, EPOCHS, weight)
    return float((model.predict(x_test, verbose=0).argmax(axis=1) == y_test).mean())


def run(seed: int) -> dict[str, float]:
    found = Timed()
    found["DivergenceWeightedSelfTraining"] = accuracy(seed)
    found["equal weights"] = accuracy(seed, sharpness=0.0)
    found["source alone"] = accuracy(seed, weight=0.0)
    return found
