"""Linear and kNN accuracy of a small vision transformer: untrained, and by NEPA in 10 epochs."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "NEPA"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, NEPA", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("NEPA", "nepa_digits", seed, epochs=10)
