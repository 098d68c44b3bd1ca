"""Accuracy with a third of the labels wrong: ProgressiveSelfDistillation beside the cross-entropy."""

from benchmarks.proofs._distilled import CLASSES, data, student_accuracy, with_wrong_labels
from benchmarks.proofs._shared import Timed

NAME = "ProgressiveSelfDistillation"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "ProgressiveSelfDistillation", "cross-entropy"


def run(seed: int) -> dict[str, float]:
    import keras_ssl

    x, y, *_ = data()
    noisy = with_wrong_labels(y, seed)
    found = Timed()
    for name, weight in (("ProgressiveSelfDistillation", 0.8), ("cross-entropy", 0.0)):
        found[name], _ = student_accuracy(
            lambda encoder, weight=weight, **options: keras_ssl.ProgressiveSelfDistillation(
                encoder, CLASSES, dataset_size=len(x), final_weight=weight, **options
            ),
            x,
            noisy,
            seed,
            width=128,
            epochs=60,
        )
    return found
