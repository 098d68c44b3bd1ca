"""Accuracy of a narrow student, 100 labels of digits: FerKD from a wide teacher, beside labels alone."""

from benchmarks.proofs._distilled import beside_labels

NAME = "FerKD"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "FerKD", "labels alone"


def run(seed: int) -> dict[str, float]:
    return beside_labels(NAME, seed, threshold=0.3)
