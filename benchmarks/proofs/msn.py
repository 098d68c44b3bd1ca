"""Linear and kNN accuracy of a small vision transformer: untrained, by MSN, and by SimCLR, in 10 epochs each."""

from benchmarks.proofs._landmark import compare

NAME = "MSN"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, MSN", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return compare("MSN", "msn_digits", seed, epochs=10)
