"""Accuracy on the 8-pixel digits with 40 labels: SimMatchV2 beside FixMatch and labels alone, at equal steps."""

from benchmarks.proofs._few_labels import accuracy_of, beside_baselines

NAME = "SimMatchV2"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "SimMatchV2", "FixMatch"


def run(seed: int) -> dict[str, float]:
    found = beside_baselines(
        "SimMatchV2",
        seed,
        labeled_size=40,
        projector=(64, 32),
        momentum=0.98,
        unlabeled_weight=1.0,
        edge_weight=0.5,
        node_edge_weight=0.5,
    )
    found["FixMatch"] = accuracy_of("FixMatch", seed)
    return found
