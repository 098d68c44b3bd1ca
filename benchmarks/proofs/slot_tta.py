"""Adjusted Rand index of the digits' masks on scenes with a textured ground: a slot model that learned from masks of
scenes with a plain ground, as it is, and adapted to each scene by steps on its reconstruction (20 scenes)."""

from benchmarks.proofs._scenes import fitted, rand_indices, slot_model

NAME = "SlotTTA"
MEASURE = "ARI"  # the higher, the better
METHOD, BASELINE = "SlotTTA", "as trained"
SCENES, STEPS = 40, 20


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.adaptation import SlotTTA
    from keras_ssl.data import digit_scenes

    x, masks = digit_scenes("train", seed=seed, count=3000)
    model = fitted(slot_model("SlotAutoencoder", seed, mask_weight=0.3), {"x": x, "masks": masks}, epochs=12)
    found = {}
    for name, textured in (("plain, ", False), ("", True)):
        images, truth = digit_scenes("test", seed=seed, count=SCENES, textured=textured)
        before = rand_indices(model.segment(images), truth)
        after = rand_indices(SlotTTA(model, keras.optimizers.Adam(5e-4), steps=STEPS).segment(images), truth)
        for where, old, new in zip(("", ", digits"), before, after, strict=True):
            found |= {f"{name}as trained{where}": old, f"{name}SlotTTA{where}": new}
    return found
