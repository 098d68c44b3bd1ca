"""What the tests of semi-supervised objectives share."""

import keras
import numpy as np

from keras_ssl.testing.tiny_model import tiny_model
from keras_ssl.training import Step, engine
from tests.objectives.reference import draws, value

LABELS = np.array([1, -1, 0, -1, -1, 2, -1, -1], "int32")
WEAK, STRONG = 2 * draws(8, 3), draws(8, 3, seed=1)


def soft(row):
    row = np.asarray(row, "float64")
    e = np.exp(row - row.max())
    return e / e.sum()


def cross_entropy(row, label):
    return -np.log(soft(row)[label])


def supervised(logits=WEAK, labels=LABELS):
    return np.mean([cross_entropy(row, y) for row, y in zip(logits, labels, strict=True) if y >= 0])


def model_of(name, **options):
    return tiny_model(name, classes=3, **options)


def tensors(weak=WEAK, strong=STRONG, labels=LABELS, **more):
    z = {"features": draws(len(weak), 4), "weak": weak, "strong": strong, "y": labels, **more}
    return {key: keras.ops.convert_to_tensor(part) for key, part in z.items()}


def outcome(model, embeddings, **step):
    """The loss and the logs as numbers."""
    found = engine.reduce(model, embeddings, Step.at(len(embeddings["y"]), **step))
    return value(found.loss), {name: value(log) for name, log in found.logs.items()}


def after(model, embeddings, updated=True, **step):
    """Moves the state as at the end of a step."""
    flag = keras.ops.convert_to_tensor(updated)
    return model.after_step(embeddings, flag, Step.at(len(embeddings["y"]), **step))


def array(tensor):
    return np.array(keras.ops.convert_to_numpy(tensor))
