"""Linear and kNN accuracy of a small vision transformer: untrained, and by CrossMAE in 10 epochs."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "CrossMAE"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, CrossMAE", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("CrossMAE", "cross_mae_digits", seed, epochs=10)
