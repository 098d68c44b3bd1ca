"""One-shot accuracy on digits 5 to 9 after episodes of 0 to 4: prototypical loss with and without the ICNN loss."""

from benchmarks.proofs._episodes import accuracies, prototypical
from benchmarks.proofs._shared import Timed

NAME = "ICNNLoss"
MEASURE = "5-way 1-shot accuracy on unseen classes"  # the higher, the better
METHOD, BASELINE = "prototypical and ICNN", "prototypical"


def run(seed: int) -> dict[str, float]:
    from keras_ssl.losses import icnn_loss

    found = Timed()
    found |= accuracies(METHOD, seed, lambda y, z: 0.5 * (prototypical(y, z) + icnn_loss(z, y, 9)))
    found |= accuracies(BASELINE, seed, prototypical)
    found |= accuracies("ICNN alone", seed, lambda y, z: icnn_loss(z, y, 9))
    return found
