"""Linear and kNN accuracy of a small vision transformer: untrained, by data2vec 2.0 in 40 epochs of batches of 32."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "data2vec 2.0"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "linear, data2vec 2.0", "linear, untrained"


def run(seed: int) -> dict[str, float]:
    return beside_untrained("data2vec 2.0", "data2_vec2_digits", seed, epochs=40)
