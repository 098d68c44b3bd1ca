"""Linear and kNN accuracy of a small vision transformer: untrained, by DINOv2, and by SimCLR, in 10 epochs each."""

from benchmarks.proofs._landmark import compare

NAME = "DINOv2"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, DINOv2", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return compare("DINOv2", "dinov2_digits", seed, epochs=10)
