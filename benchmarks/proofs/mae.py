"""Linear and kNN accuracy of a small vision transformer: untrained, and by MAE in 40 epochs of batches of 32."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "MAE"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "linear, MAE", "linear, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("MAE", "mae_digits", seed, epochs=40)
