"""Linear and kNN accuracy of a small vision transformer: untrained, by iBOT, and by SimCLR, in 10 epochs each."""

from benchmarks.proofs._landmark import compare

NAME = "iBOT"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, iBOT", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return compare("iBOT", "ibot_digits", seed, epochs=10)
