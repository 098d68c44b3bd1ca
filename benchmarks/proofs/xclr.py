"""Linear and kNN accuracy of a small convolutional network: untrained, by X-CLR, and by SimCLR, in 10 epochs each."""

from benchmarks.proofs._landmark import compare

NAME = "X-CLR"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, X-CLR", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return compare("X-CLR", "xclr_digits", seed, epochs=10)
