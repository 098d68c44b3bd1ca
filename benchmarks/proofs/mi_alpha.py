"""Accuracy of a narrow student with 100 labels: the teacher's hidden layer by MI-alpha, by InfoNCE, and not at all."""

from typing import Any

import numpy as np

from benchmarks.proofs._distilled import CLASSES, data, few, sizes_and_speeds, teacher
from benchmarks.proofs._shared import Timed

NAME = "MI-alpha"
MEASURE = "accuracy"  # the higher, the better
METHOD, BASELINE = "MI-alpha", "labels alone"
WIDTH, EPOCHS, WEIGHT, BATCH = 16, 40, 0.5, 128


def student(objective: Any) -> Any:
    """A network that is trained with labels, -1 where there is none, and an objective of its hidden layer."""
    import keras

    images = keras.Input((64,))
    hidden = keras.layers.Dense(WIDTH, "relu")(images)
    outputs = {"logits": keras.layers.Dense(CLASSES)(hidden), "projected": keras.layers.Dense(256)(hidden)}

    class Student(keras.Model):
        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **more: Any) -> Any:
            ops = keras.ops
            labels, target = ops.cast(y[:, 0], "int32"), y[:, 1:]
            known = ops.cast(labels >= 0, "float32")
            terms = keras.losses.sparse_categorical_crossentropy(
                ops.maximum(labels, 0), y_pred["logits"], from_logits=True
            )
            loss = ops.sum(known * terms) / ops.maximum(ops.sum(known), 1.0)
            if objective is None:
                return loss
            # The bound is of a known number of pairs, and `fit` does not tell it.
            pair = (ops.reshape(part, (BATCH, 256)) for part in (y_pred["projected"], target))
            return loss + WEIGHT * objective(*pair)

    return Student(images, outputs)


def run(seed: int) -> dict[str, float]:
    import keras

    from keras_ssl.losses import mi_alpha_loss

    x, y, x_test, y_test = data()
    x, y = (part[: len(part) // BATCH * BATCH] for part in (x, y))
    model = teacher(x, y, seed)
    layers = [layer for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)][:-1]
    hidden = keras.Sequential([keras.Input((8, 8, 1)), *layers]).predict(x / 255.0, verbose=0)
    targets = np.concatenate([few(y, 100, seed)[:, None], hidden], axis=1).astype("float32")
    flat, flat_test = (part.reshape(len(part), -1).astype("float32") / 255 for part in (x, x_test))
    found = Timed()
    for name, objective in (
        ("MI-alpha", lambda s, t: mi_alpha_loss(s, t, alpha=0.9)),
        ("InfoNCE (alpha 1)", lambda s, t: mi_alpha_loss(s, t, alpha=1.0)),
        ("labels alone", None),
    ):
        keras.utils.set_random_seed(seed)
        network = student(objective)
        network.compile(keras.optimizers.Adam(5e-3), jit_compile=False)
        network.fit(flat, targets, batch_size=BATCH, epochs=EPOCHS, verbose=0)
        logits = network.predict(flat_test, batch_size=len(flat_test), verbose=0)["logits"]
        found[name] = float((logits.argmax(axis=1) == y_test).mean())
    found["teacher"] = float((model.predict(x_test / 255.0, verbose=0).argmax(axis=1) == y_test).mean())
    used = keras.Model(network.inputs, network.output["logits"])
    found |= sizes_and_speeds(used, model, x)
    return found
