"""Linear and kNN accuracy of a small vision transformer: untrained, and by MSN in 20 epochs."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "MSN"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, MSN", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("MSN", "msn_digits", seed, epochs=20)
