"""Linear and kNN accuracy of a small vision transformer: untrained, by SimMIM, and by SimCLR, in 10 epochs each."""

from benchmarks.proofs._landmark import compare

NAME = "SimMIM"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, SimMIM", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return compare("SimMIM", "sim_mim_digits", seed, epochs=10)
