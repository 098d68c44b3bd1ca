"""Linear and kNN accuracy of a small vision transformer: untrained, and by iBOT in 20 epochs."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "iBOT"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, iBOT", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("iBOT", "ibot_digits", seed, epochs=20)
