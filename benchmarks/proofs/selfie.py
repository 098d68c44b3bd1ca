"""Linear and kNN accuracy of a small convolutional network: untrained, and by Selfie on patches of 4 pixels."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "Selfie"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "linear, Selfie", "linear, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("Selfie", "selfie_digits", seed, epochs=15)
