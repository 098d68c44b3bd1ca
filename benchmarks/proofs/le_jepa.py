"""Linear and kNN accuracy of a small convolutional network: untrained, by LeJEPA, and by SimCLR, in 10 epochs each."""

from benchmarks.proofs._landmark import compare

NAME = "LeJEPA"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, LeJEPA", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return compare("LeJEPA", "le_jepa_digits", seed, epochs=10)
