"""Accuracy of a narrow student, 100 labels of digits: DualHeadOptimization from a wide teacher, beside labels alone."""

from benchmarks.proofs._distilled import beside_labels

NAME = "DualHeadOptimization"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "DualHeadOptimization", "labels alone"


def run(seed: int) -> dict[str, float]:
    return beside_labels(NAME, seed)
