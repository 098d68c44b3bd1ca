"""Test accuracy of batches of 1000 digits: statistics of slices of 50, and of the whole batch; the same updates."""

from benchmarks.proofs._shared import Timed
from benchmarks.proofs._small_digits import accuracy, cross_entropy, small_digits

NAME = "GhostBatchNormalization"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "slices of 50", "whole batch"


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.layers import GhostBatchNormalization
    from keras_ssl.schedules import square_root_scaling

    x, y, x_test, y_test = small_digits(seed)
    found = Timed()
    for name, size in ((METHOD, 50), (BASELINE, 1000)):
        keras.utils.set_random_seed(seed)
        layers = [keras.Input((64,))]
        for _ in range(2):
            layers += [keras.layers.Dense(128, use_bias=False), GhostBatchNormalization(size), keras.layers.ReLU()]
        model = keras.Sequential([*layers, keras.layers.Dense(10)])
        rate = square_root_scaling(0.05, batch_size=1000, reference_batch_size=50)
        model.compile(keras.optimizers.SGD(rate, momentum=0.9), cross_entropy())
        model.fit(x, y, batch_size=1000, epochs=60, verbose=0)
        found[name] = accuracy(model, x_test, y_test)
    return found
