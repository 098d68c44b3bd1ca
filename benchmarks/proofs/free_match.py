"""Accuracy on the 8-pixel digits with 40 labels: FreeMatch beside labels alone and PseudoLabel, at equal steps."""

from benchmarks.proofs._few_labels import beside_baselines

NAME = "FreeMatch"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "FreeMatch", "labels alone"


def run(seed: int) -> dict[str, float]:
    return beside_baselines("FreeMatch", seed, momentum=0.99)
