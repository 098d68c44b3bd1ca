"""Linear and kNN accuracy of a small convolutional network: untrained, by SimDINO, and by SimCLR, in 10 epochs each."""

from benchmarks.proofs._landmark import compare

NAME = "SimDINO"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, SimDINO", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return compare("SimDINO", "sim_dino_digits", seed, epochs=10)
