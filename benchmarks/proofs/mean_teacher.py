"""Accuracy on the 8-pixel digits with 40 labels: MeanTeacher beside labels alone and PseudoLabel, at equal steps."""

from benchmarks.proofs._few_labels import beside_baselines

NAME = "MeanTeacher"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "MeanTeacher", "labels alone"


def run(seed: int) -> dict[str, float]:
    return beside_baselines("MeanTeacher", seed, weak=True, momentum=0.98, unlabeled_weight=10.0, warmup_steps=200)
