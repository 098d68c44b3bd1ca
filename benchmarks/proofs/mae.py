"""Linear and kNN accuracy of a small vision transformer: untrained, and by MAE in 40 epochs of batches of 32.

The paper judges by a linear probe and by fine-tuning: features of masked autoencoders are weak neighbors.
"""

from benchmarks.proofs._shared import features, scores, trained

NAME = "MAE"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "linear, MAE", "linear, untrained"


def run(seed: int) -> dict[str, float]:
    import keras_ssl

    rate = "optimizer.learning_rate=1e-3"
    run = ("training.epochs=40", "training.batch_size=32", rate, f"training.seed={seed}")
    untrained = scores(features(keras_ssl.Recipe.read("mae_digits").override(*run).build_model()))
    after = scores(features(trained("mae_digits", *run)))
    return {
        f"{kind}, {name}": found[kind] for name, found in (("MAE", after), ("untrained", untrained)) for kind in found
    }
