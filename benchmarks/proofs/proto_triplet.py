"""One-shot accuracy on digits 5 to 9 after episodes of 0 to 4: prototypical loss with and without Proto-Triplet."""

from benchmarks.proofs._episodes import SHOTS, WAYS, accuracies, prototypical
from benchmarks.proofs._shared import Timed

NAME = "ProtoTripletLoss"
MEASURE = "5-way 1-shot accuracy on unseen classes"  # the higher, the better
METHOD, BASELINE = "prototypical and Proto-Triplet", "prototypical"


def run(seed: int) -> dict[str, float]:
    from keras_ssl.losses import ProtoTripletLoss

    triplet = ProtoTripletLoss(WAYS, SHOTS)
    found = Timed()
    found |= accuracies(METHOD, seed, lambda y, z: 0.5 * (prototypical(y, z) + triplet(y, z)))
    found |= accuracies(BASELINE, seed, prototypical)
    found |= accuracies("Proto-Triplet alone", seed, triplet)
    return found
