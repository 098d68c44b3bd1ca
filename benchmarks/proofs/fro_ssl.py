"""Linear and kNN accuracy of a small convolutional network: untrained, by FroSSL, and by SimCLR, in 10 epochs each."""

from benchmarks.proofs._landmark import compare

NAME = "FroSSL"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, FroSSL", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return compare("FroSSL", "fro_ssl_digits", seed, epochs=10)
