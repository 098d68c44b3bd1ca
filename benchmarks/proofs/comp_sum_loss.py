"""Accuracy on clean test digits after training with 40 % wrong labels: comp-sum loss of tau 1.7, and cross-entropy."""

from benchmarks.proofs._calibrated import accuracy, network, small_digits, train, with_noise
from benchmarks.proofs._shared import Timed

NAME = "comp_sum_loss"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "tau 1.7", "cross-entropy (tau 1)"


def run(seed: int) -> dict[str, float]:
    from keras_ssl.losses import CompSumLoss

    x, y, x_test, y_test = small_digits(seed, 1000)
    noisy = with_noise(y, 0.4, seed)
    found = Timed()
    for name, tau in (("tau 1.7", 1.7), ("cross-entropy (tau 1)", 1.0), ("tau 2", 2.0)):
        found[name] = accuracy(train(network(seed), CompSumLoss(tau=tau), x, noisy, 60), x_test, y_test)
    return found
