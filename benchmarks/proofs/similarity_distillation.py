"""kNN accuracy of a narrow encoder: untrained, by SimCLR, and by distillation (as many epochs)."""

from benchmarks.proofs._distilled import sizes_and_speeds
from benchmarks.proofs._shared import Timed, digits, features, scores, trained

NAME = "SimilarityDistillation"
MEASURE = "kNN accuracy"  # the higher, the better
METHOD, BASELINE = "distilled", "SimCLR"


def run(seed: int) -> dict[str, float]:
    import keras_ssl

    run = ("training.epochs=10", f"training.seed={seed}")
    narrow = ("encoder.widths=[8, 16, 32, 64]",)
    recipe = keras_ssl.Recipe.read("similarity_distillation_digits").override(*run)
    found = Timed()
    student = trained("similarity_distillation_digits", *run)
    found["distilled"] = scores(features(student))["kNN"]
    found["SimCLR"] = scores(features(trained("simclr_digits", *run, *narrow)))["kNN"]
    found["untrained"] = scores(features(recipe.build_model()))["kNN"]
    teacher = keras_ssl.load("barlow_digits")
    found["teacher"] = scores(features(teacher))["kNN"]
    found |= sizes_and_speeds(student.encoder, teacher, digits()[0])
    return found
