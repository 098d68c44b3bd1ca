"""Accuracy of a narrow student, 100 labels of digits: CRD from a wide teacher, beside labels alone.

It hardly helps here: 0.869 beside 0.864, within the spread of three seeds."""

from benchmarks.proofs._distilled import beside_labels

NAME = "ContrastiveRepresentationDistillation"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "ContrastiveRepresentationDistillation", "labels alone"


def run(seed: int) -> dict[str, float]:
    return beside_labels(NAME, seed, temperature=0.1, dimension=32)
