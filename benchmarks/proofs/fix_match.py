"""Test accuracy on 8-pixel digits, 40 of them labeled: FixMatch, and the same steps on the labeled ones alone."""

from benchmarks.proofs._few_labels import beside_baselines

NAME = "FixMatch"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "FixMatch", "labels alone"


def run(seed: int) -> dict[str, float]:
    return beside_baselines(METHOD, seed)
