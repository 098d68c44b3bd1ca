"""Linear and kNN accuracy of a small vision transformer: untrained, and by data2vec 2.0 in 10 epochs."""

from benchmarks.proofs._landmark import beside_untrained

NAME = "data2vec 2.0"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, data2vec 2.0", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    # Four masks of each image and a convolutional decoder: batches of 32 would take hours here.
    settings = ("training.batch_size=128", "optimizer.learning_rate=2e-3")
    return beside_untrained("data2vec 2.0", "data2_vec2_digits", seed, 10, *settings)
