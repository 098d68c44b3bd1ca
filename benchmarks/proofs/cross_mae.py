"""Linear and kNN accuracy of a small vision transformer: untrained, and by CrossMAE in 40 epochs of batches of 32."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "CrossMAE"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "linear, CrossMAE", "linear, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("CrossMAE", "cross_mae_digits", seed, epochs=40)
