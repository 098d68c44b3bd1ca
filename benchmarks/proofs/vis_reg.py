"""Linear and kNN accuracy of a small convolutional network: untrained, by VISReg, and by SimCLR, in 10 epochs each."""

from benchmarks.proofs._landmark import compare

NAME = "VISReg"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, VISReg", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return compare("VISReg", "vis_reg_digits", seed, epochs=10)
