"""Linear and kNN accuracy of a small vision transformer: untrained, and by CAPI in 40 epochs of batches of 32."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "CAPI"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "linear, CAPI", "linear, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("CAPI", "capi_digits", seed, epochs=40)
