"""kNN accuracy of a narrow encoder: by dense distillation of the shipped one, beside SimCLR (as many epochs)."""

from benchmarks.proofs._distilled import sizes_and_speeds
from benchmarks.proofs._shared import Timed, digits, features, scores, trained

NAME = "PatchDistillation"
MEASURE = "kNN accuracy"  # the higher, the better
METHOD, BASELINE = "PatchDistillation", "SimCLR"


def run(seed: int) -> dict[str, float]:
    import keras_ssl

    run = ("training.epochs=4", f"training.seed={seed}")
    narrow = ("encoder.widths=[8, 16, 32, 64]",)
    found = Timed()
    student = trained("patch_distillation_digits", *run)
    found["PatchDistillation"] = scores(features(student))["kNN"]
    found["SimCLR"] = scores(features(trained("simclr_digits", *run, *narrow)))["kNN"]
    teacher = keras_ssl.load("barlow_digits")
    found["teacher"] = scores(features(teacher))["kNN"]
    found |= sizes_and_speeds(student.encoder, teacher, digits()[0])
    return found
