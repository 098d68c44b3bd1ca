"""Linear and kNN accuracy of a small vision transformer: untrained, and by I-JEPA in 40 epochs of batches of 32."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "I-JEPA"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "linear, I-JEPA", "linear, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("I-JEPA", "ijepa_digits", seed, epochs=40)
