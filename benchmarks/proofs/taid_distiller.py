"""Accuracy of a narrow student, 100 labels of digits: TAIDDistiller from a wide teacher, beside labels alone."""

from benchmarks.proofs._distilled import beside_labels

NAME = "TAIDDistiller"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "TAIDDistiller", "labels alone"


def run(seed: int) -> dict[str, float]:
    return beside_labels(NAME, seed, label_weight=1.0)
