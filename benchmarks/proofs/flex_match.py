"""Accuracy on the 8-pixel digits with 40 labels: FlexMatch beside labels alone and PseudoLabel, at equal steps."""

from benchmarks.proofs._few_labels import beside_baselines

NAME = "FlexMatch"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "FlexMatch", "labels alone"


def run(seed: int) -> dict[str, float]:
    return beside_baselines("FlexMatch", seed, dataset_size=1340)
