"""Test accuracy on digits after ten epochs, and bytes of state for each weight: rank 16, and AdamW."""

from benchmarks.proofs._shared import Timed
from benchmarks.proofs._small_digits import accuracy, cross_entropy, perceptron, small_digits

NAME = "DCTLowRankAdamW"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "DCTLowRankAdamW", "AdamW"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.optimizers import DCTLowRankAdamW, state_bytes_per_weight

    x, y, x_test, y_test = small_digits(seed)
    optimizers = {METHOD: DCTLowRankAdamW(2e-3, rank=16), BASELINE: keras.optimizers.AdamW(2e-3, weight_decay=0.01)}
    found = Timed()
    for name, optimizer in optimizers.items():
        model = perceptron(seed, 256, 256)
        model.compile(optimizer, cross_entropy())
        model.fit(x, y, batch_size=50, epochs=10, verbose=0)
        found[name] = accuracy(model, x_test, y_test)
        found[f"{name}, test loss"] = float(model.evaluate(x_test, y_test, verbose=0))
        found[f"{name}, bytes per weight"] = state_bytes_per_weight(optimizer)
    return found
