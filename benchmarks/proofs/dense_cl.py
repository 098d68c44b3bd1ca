"""Linear and kNN accuracy of a small convolutional network: untrained, and by DenseCL in 20 epochs."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "DenseCL"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, DenseCL", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("DenseCL", "dense_cl_digits", seed, epochs=20)
