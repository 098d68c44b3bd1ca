"""Linear and kNN accuracy of a small vision transformer: untrained, and by CAPI in 10 epochs."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "CAPI"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, CAPI", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("CAPI", "capi_digits", seed, epochs=10)
