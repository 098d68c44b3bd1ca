"""Accuracy on clean test digits after training with 40 % wrong labels: the adaptive loss, and cross-entropy."""

from benchmarks.proofs._calibrated import accuracy, cross_entropy, network, small_digits, train, with_noise
from benchmarks.proofs._shared import Timed

NAME = "label_distributionally_robust_loss"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "adaptive, temperature 5", "cross-entropy"


def run(seed: int) -> dict[str, float]:
    from keras_ssl.losses import LabelDistributionallyRobustLoss as Loss

    x, y, x_test, y_test = small_digits(seed, 1000)
    noisy = with_noise(y, 0.4, seed)
    losses = {
        "adaptive, temperature 5": Loss(temperature=5.0, alpha=2.0),
        "cross-entropy": cross_entropy(),
        "fixed, temperature 5": Loss(temperature=5.0),
    }
    found = Timed()
    for name, loss in losses.items():
        found[name] = accuracy(train(network(seed), loss, x, noisy, 60), x_test, y_test)
    return found
