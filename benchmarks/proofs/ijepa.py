"""Linear and kNN accuracy of a small vision transformer: untrained, by I-JEPA, and by SimCLR, in 10 epochs each."""

from benchmarks.proofs._landmark import compare

NAME = "I-JEPA"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, I-JEPA", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return compare("I-JEPA", "ijepa_digits", seed, epochs=10)
