"""Linear and kNN accuracy of a small vision transformer: untrained, and by MAE."""

from benchmarks.proofs._shared import features, scores, trained

NAME = "MAE"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "kNN, MAE", "kNN, untrained"


def run(seed: int) -> dict[str, float]:
    import keras_ssl

    run = ("training.epochs=30", f"training.seed={seed}")
    untrained = scores(features(keras_ssl.Recipe.read("mae_digits").override(*run).build_model()))
    after = scores(features(trained("mae_digits", *run)))
    return {
        f"{kind}, {name}": found[kind] for name, found in (("MAE", after), ("untrained", untrained)) for kind in found
    }
