"""Linear and kNN accuracy of a small convolutional network: untrained, and by Selfie on patches of 4 pixels."""

from benchmarks.proofs._shared import features, scores, trained

NAME = "Selfie"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "linear, Selfie", "linear, untrained"


def run(seed: int) -> dict[str, float]:
    import keras_ssl

    run = ("training.epochs=15", f"training.seed={seed}")
    untrained = scores(features(keras_ssl.Recipe.read("selfie_digits").override(*run).build_model()))
    after = scores(features(trained("selfie_digits", *run)))
    return {
        f"{kind}, {name}": found[kind]
        for name, found in (("Selfie", after), ("untrained", untrained))
        for kind in found
    }
