"""Linear and kNN accuracy of a small convolutional network: untrained, by DenseCL, and by SimCLR, in 10 epochs each."""

from benchmarks.proofs._landmark import compare

NAME = "DenseCL"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, DenseCL", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return compare("DenseCL", "dense_cl_digits", seed, epochs=10)
