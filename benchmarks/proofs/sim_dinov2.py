"""Linear and kNN accuracy of a small vision transformer: untrained, and by SimDINOv2 in 20 epochs."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "SimDINOv2"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, SimDINOv2", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("SimDINOv2", "sim_dinov2_digits", seed, epochs=20)
