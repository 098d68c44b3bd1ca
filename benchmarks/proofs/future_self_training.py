"""Accuracy on the 8-pixel digits with 40 labels: future self-training beside a mean teacher of the past."""

from benchmarks.proofs._few_labels import accuracy_of, beside_baselines

NAME = "FutureSelfTraining"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "FutureSelfTraining", "mean teacher"


def run(seed: int) -> dict[str, float]:
    found = beside_baselines("FutureSelfTraining", seed, momentum=0.98)
    found["mean teacher"] = accuracy_of("FutureSelfTraining", seed, momentum=0.98, depth=0)
    return found
