"""kNN accuracy of a narrow encoder: untrained, by SimCLR, and by distillation (as many epochs)."""

from benchmarks.proofs._shared import Timed, features, scores, trained

NAME = "SimilarityDistillation"
MEASURE = "kNN accuracy"  # the higher, the better
METHOD, BASELINE = "distilled", "SimCLR"


def run(seed: int) -> dict[str, float]:
    import keras_ssl

    run = ("training.epochs=10", f"training.seed={seed}")
    narrow = ("encoder.widths=[8, 16, 32, 64]",)
    recipe = keras_ssl.Recipe.read("similarity_distillation_digits").override(*run)
    found = Timed()
    found["distilled"] = scores(features(trained("similarity_distillation_digits", *run)))["kNN"]
    found["SimCLR"] = scores(features(trained("simclr_digits", *run, *narrow)))["kNN"]
    found["untrained"] = scores(features(recipe.build_model()))["kNN"]
    found["teacher"] = scores(features(keras_ssl.load("barlow_digits")))["kNN"]
    return found
