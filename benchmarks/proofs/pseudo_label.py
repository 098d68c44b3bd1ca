"""Accuracy on the 8-pixel digits with 40 labels: PseudoLabel, beside labels alone, all with the same steps."""

from benchmarks.proofs._few_labels import beside_baselines

NAME = "PseudoLabel"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "PseudoLabel", "labels alone"


def run(seed: int) -> dict[str, float]:
    return beside_baselines("PseudoLabel", seed)
