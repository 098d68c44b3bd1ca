"""Linear and kNN accuracy of a small vision transformer: untrained, and by DINOv2 in 10 epochs."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "DINOv2"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, DINOv2", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    settings = ("training.batch_size=128", "optimizer.learning_rate=2e-3")
    return beside_untrained("DINOv2", "dinov2_digits", seed, 10, *settings)
