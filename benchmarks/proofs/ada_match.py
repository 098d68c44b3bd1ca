"""Accuracy on the 8-pixel digits with 40 labels: AdaMatch beside labels alone and PseudoLabel, at equal steps."""

from benchmarks.proofs._few_labels import beside_baselines

NAME = "AdaMatch"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "AdaMatch", "labels alone"


def run(seed: int) -> dict[str, float]:
    return beside_baselines("AdaMatch", seed)
