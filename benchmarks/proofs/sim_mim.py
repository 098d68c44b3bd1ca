"""Linear and kNN accuracy of a small vision transformer: untrained, and by SimMIM in 40 epochs of batches of 32."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "SimMIM"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "linear, SimMIM", "linear, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("SimMIM", "sim_mim_digits", seed, epochs=40)
