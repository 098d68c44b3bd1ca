"""Linear and kNN accuracy of a small vision transformer: untrained, and by NEPA in 40 epochs of batches of 32."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "NEPA"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "linear, NEPA", "linear, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("NEPA", "nepa_digits", seed, epochs=40)
