"""Linear and kNN accuracy of a small convolutional network: untrained, and by VICRegL in 10 epochs."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "VICRegL"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, VICRegL", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("VICRegL", "vic_reg_l_digits", seed, epochs=10)
