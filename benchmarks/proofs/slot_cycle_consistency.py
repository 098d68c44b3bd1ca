"""Adjusted Rand index of masks of scenes of two digits, without any masks to learn from: a slot autoencoder, and the
same with cycle consistency."""

from benchmarks.proofs._scenes import fitted, rand_indices, slot_model
from benchmarks.proofs._shared import Timed

NAME = "SlotCycleConsistency"
MEASURE = "ARI"  # the higher, the better
METHOD, BASELINE = "SlotCycleConsistency", "SlotAutoencoder"


def run(seed: int) -> dict[str, float]:
    from keras_ssl.data import digit_scenes

    x, _ = digit_scenes("train", seed=seed, count=3000)
    images, truth = digit_scenes("test", seed=seed, count=200)
    found = Timed()
    for name, options in (("SlotAutoencoder", {"mask_weight": 0.0}), ("SlotCycleConsistency", {})):
        model = fitted(slot_model(name, seed, **options), {"x": x}, epochs=60)
        whole, digits = rand_indices(model.segment(images), truth)
        found |= {name: whole, f"{name}, digits": digits}
    return found
