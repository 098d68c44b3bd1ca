"""Accuracy of a narrow student, 100 labels of digits: MultiLevelDistiller from a wide teacher, beside labels alone."""

from benchmarks.proofs._distilled import beside_labels

NAME = "MultiLevelDistiller"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "MultiLevelDistiller", "labels alone"


def run(seed: int) -> dict[str, float]:
    return beside_labels(NAME, seed, similarity_weight=10.0)
