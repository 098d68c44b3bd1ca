"""kNN accuracy of a narrow encoder: by dense distillation of the shipped one, beside SimCLR (as many epochs)."""

from benchmarks.proofs._shared import Timed, features, scores, trained

NAME = "PatchDistillation"
MEASURE = "kNN accuracy"  # the higher, the better
METHOD, BASELINE = "PatchDistillation", "SimCLR"


def run(seed: int) -> dict[str, float]:
    run = ("training.epochs=4", f"training.seed={seed}")
    narrow = ("encoder.widths=[8, 16, 32, 64]",)
    found = Timed()
    found["PatchDistillation"] = scores(features(trained("patch_distillation_digits", *run)))["kNN"]
    found["SimCLR"] = scores(features(trained("simclr_digits", *run, *narrow)))["kNN"]
    return found
