"""Accuracy on the 8-pixel digits with 40 labels: UDA beside labels alone and PseudoLabel, at equal steps."""

from benchmarks.proofs._few_labels import beside_baselines

NAME = "UDA"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "UDA", "labels alone"


def run(seed: int) -> dict[str, float]:
    return beside_baselines("UDA", seed)
