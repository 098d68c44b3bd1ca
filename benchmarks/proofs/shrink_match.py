"""Accuracy on the 8-pixel digits with 40 labels: ShrinkMatch beside FixMatch and labels alone, at equal steps."""

from benchmarks.proofs._few_labels import accuracy_of, beside_baselines

NAME = "ShrinkMatch"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "ShrinkMatch", "FixMatch"


def run(seed: int) -> dict[str, float]:
    found = beside_baselines("ShrinkMatch", seed, momentum=0.99)
    found["FixMatch"] = accuracy_of("FixMatch", seed)
    return found
