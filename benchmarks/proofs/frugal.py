"""Test accuracy on digits after ten epochs, and bytes of state for each weight: a quarter with Adam, and all."""

from benchmarks.proofs._shared import Timed
from benchmarks.proofs._small_digits import accuracy, cross_entropy, perceptron, small_digits

NAME = "FRUGAL"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "FRUGAL", "Adam"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.optimizers import FRUGAL, state_bytes_per_weight

    x, y, x_test, y_test = small_digits(seed)
    options = {"density": 0.25, "update_gap": 20}
    optimizers = {
        METHOD: FRUGAL(2e-3, **options, free_scale=0.25),
        BASELINE: keras.optimizers.Adam(2e-3),
        "the quarter alone": FRUGAL(2e-3, **options, state_free="none"),
    }
    found = Timed()
    for name, optimizer in optimizers.items():
        model = perceptron(seed, 256, 256)
        model.compile(optimizer, cross_entropy())
        model.fit(x, y, batch_size=50, epochs=10, verbose=0)
        found[name] = accuracy(model, x_test, y_test)
        found[f"{name}, test loss"] = float(model.evaluate(x_test, y_test, verbose=0))
        found[f"{name}, bytes per weight"] = state_bytes_per_weight(optimizer)
    return found
