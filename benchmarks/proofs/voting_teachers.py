"""Accuracy with a third of the labels wrong: VotingTeachers beside the cross-entropy."""

from benchmarks.proofs._distilled import CLASSES, data, student_accuracy, with_wrong_labels
from benchmarks.proofs._shared import Timed

NAME = "VotingTeachers"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "VotingTeachers", "cross-entropy"


def run(seed: int) -> dict[str, float]:
    import keras_ssl

    x, y, *_ = data()
    found = Timed()
    for name, weight in (("VotingTeachers", 2.0), ("cross-entropy", 0.0)):
        found[name], _ = student_accuracy(
            lambda encoder, weight=weight, **options: keras_ssl.VotingTeachers(
                encoder, CLASSES, teachers=3, interval=12, vote_weight=weight, **options
            ),
            x,
            with_wrong_labels(y, seed),
            seed,
            width=128,
            epochs=60,
        )
    return found
