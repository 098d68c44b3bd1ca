"""Accuracy on the 8-pixel digits with 40 labels: SoftMatch beside labels alone and PseudoLabel, at equal steps."""

from benchmarks.proofs._few_labels import beside_baselines

NAME = "SoftMatch"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "SoftMatch", "labels alone"


def run(seed: int) -> dict[str, float]:
    return beside_baselines("SoftMatch", seed, momentum=0.99)
