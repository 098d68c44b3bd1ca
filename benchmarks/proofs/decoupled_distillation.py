"""Accuracy of a narrow student, 100 labels of digits: KnowledgeDistillation with the decoupled loss from
a wide teacher, beside labels alone."""

from benchmarks.proofs._distilled import beside_labels

NAME = "KnowledgeDistillation"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "KnowledgeDistillation", "labels alone"


def run(seed: int) -> dict[str, float]:
    return beside_labels(NAME, seed, loss="decoupled", teacher_weight=0.5)
