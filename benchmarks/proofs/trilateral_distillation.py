"""Accuracy with a teacher that is wrong on half of the classes: TrilateralDistillation, beside one ratio for all."""

import numpy as np

from benchmarks.proofs._distilled import CLASSES, as_used, data, sizes_and_speeds, student_accuracy, teacher
from benchmarks.proofs._shared import Timed

NAME = "TrilateralDistillation"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "TrilateralDistillation", "Hinton's, equal parts"


def run(seed: int) -> dict[str, float]:
    import keras

    import keras_ssl

    x, y, *_ = data()
    wide = teacher(x, y, seed)
    logits = wide.predict(x / 255.0, verbose=0).astype("float32")
    misled = y >= CLASSES // 2
    logits[misled] = np.roll(logits[misled], 1, axis=1)  # says the class after the right one
    common = {"teacher": logits, "temperature": 1.0}
    found, model = Timed(), None
    for name, kind, options in (
        ("TrilateralDistillation", keras_ssl.TrilateralDistillation, {"virtual_rate": 1.0}),
        ("Hinton's, equal parts", keras_ssl.KnowledgeDistillation, {"teacher_weight": 0.5}),
    ):
        found[name], made = student_accuracy(
            lambda encoder, kind=kind, options=options, **more: kind(encoder, CLASSES, **common, **options, **more),
            x,
            y,
            seed,
            epochs=30,
        )
        model = model or made
    ratio = np.asarray(keras.ops.convert_to_numpy(model.ratio(model.predict(x, verbose=0), logits, y)))
    found["ratio where the teacher is right"] = float(ratio[~misled].mean())
    found["ratio where it is wrong"] = float(ratio[misled].mean())
    found |= sizes_and_speeds(as_used(model), wide, x)
    return found
