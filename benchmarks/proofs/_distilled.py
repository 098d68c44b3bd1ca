"""What proofs of distillation share: scikit-learn's digits, a wide teacher, a narrow student, sizes and speeds."""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from benchmarks.proofs._shared import Timed

CLASSES = 10


@cache
def data() -> tuple[np.ndarray, ...]:
    """Images of 8 pixels, uint8 `[N, 8, 8, 1]`, and labels: four in five to train on, the others to test on."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    order = np.random.RandomState(0).permutation(len(digits.target))
    images = (digits.images / 16 * 255).astype("uint8")[order][..., None]
    labels = digits.target[order].astype("int32")
    cut = len(labels) // 5
    return images[cut:], labels[cut:], images[:cut], labels[:cut]


def network(width: int) -> Any:
    """An encoder with one hidden layer."""
    import keras

    layers = [keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(width, "relu")]
    return keras.Sequential(layers)


def teacher(x: np.ndarray, y: np.ndarray, seed: int, width: int = 256, epochs: int = 40) -> Any:
    """A classifier that is trained on labels: maps images in [0, 1] to logits."""
    import keras

    keras.utils.set_random_seed(seed)
    model = keras.Sequential([*network(width).layers, keras.layers.Dense(CLASSES)])
    model.build((None, 8, 8, 1))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(2e-3), loss)
    model.fit(x / 255.0, y, batch_size=64, epochs=epochs, verbose=0)
    return model


def as_used(model: Any) -> Any:
    """What is left of an objective after training: the encoder with the classifier that `predict` asks."""
    import keras

    images = keras.Input(model.encoder.input_shape[1:])
    return keras.Model(images, model.classify(model.encoder(images)))


def sizes_and_speeds(student: Any, teacher: Any, images: np.ndarray, batch: int = 2048) -> dict[str, float]:
    """Parameters of two networks, and images per second of their forward passes on this machine.

    Both are timed in turn in this process, a batch each time: the medians of 15 times, after three that do not count.
    """
    inputs = np.resize(images, (batch, *images.shape[1:])).astype("float32") / 255
    seconds: dict[str, list[float]] = {"student": [], "teacher": []}
    for _ in range(18):
        for name, model in (("student", student), ("teacher", teacher)):
            shape = model.input_shape[1:]
            given = inputs if None in shape else inputs.reshape(batch, *shape)
            start = time.perf_counter()
            model.predict_on_batch(given)  # gives arrays: it has ended
            seconds[name].append(time.perf_counter() - start)
    found = {
        f"{name}, parameters": model.count_params() for name, model in (("student", student), ("teacher", teacher))
    }
    return found | {f"{name}, images/s": round(batch / float(np.median(taken[3:]))) for name, taken in seconds.items()}


def few(y: np.ndarray, labels: int, seed: int) -> np.ndarray:
    """The labels with -1 for all but some, as many of each class."""
    rng, kept = np.random.RandomState(seed), np.full_like(y, -1)
    for kind in range(CLASSES):
        chosen = rng.permutation(np.flatnonzero(y == kind))[: labels // CLASSES]
        kept[chosen] = kind
    return kept


def with_wrong_labels(y: np.ndarray, seed: int) -> np.ndarray:
    """The labels, a third of them replaced by another class."""
    rng = np.random.RandomState(seed)
    wrong = rng.rand(len(y)) < 1 / 3
    return np.where(wrong, (y + rng.randint(1, CLASSES, len(y))) % CLASSES, y).astype("int32")


def student_accuracy(
    make: Callable[..., Any],
    x: np.ndarray,
    y: np.ndarray,
    seed: int,
    width: int = 12,
    epochs: int = 40,
    balanced: bool = False,
) -> tuple[float, Any]:
    """Accuracy on the test images of an objective `make(encoder, views=..., seed=...)`, and the objective."""
    import keras

    from keras_ssl import views

    keras.utils.set_random_seed(seed)
    same = views.MultiView([views.Compose([views.RandomApply(views.GaussianBlur((0.1, 0.1)), 0.0)])] * 2)
    model = make(network(width), views=same, seed=seed)
    model.compile(keras.optimizers.Adam(5e-3), jit_compile=False)
    index = np.arange(len(x), dtype="int32")
    model.fit({"x": x, "y": y, "index": index}, batch_size=128, epochs=epochs, verbose=0)
    *_, x_test, y_test = data()
    right = model.predict(x_test, verbose=0, batch_size=len(x_test)).argmax(axis=1) == y_test
    if balanced:
        return float(np.mean([right[y_test == kind].mean() for kind in range(CLASSES)])), model
    return float(right.mean()), model


def beside_labels(name: str, seed: int, **arguments: Any) -> Timed:
    """Accuracy of a narrow student with 100 labels: by an objective, by the labels alone, by Hinton's loss.

    And of the teacher, with the sizes and speeds of both.

    Args:
        name: of the objective.
        seed: of teacher, labels and student.
        **arguments: of the objective, beside encoder, classes and teacher.
    """
    import keras_ssl

    x, y, x_test, y_test = data()
    model, labels, found = teacher(x, y, seed), few(y, 100, seed), Timed()

    def learned(objective: str, **more: Any) -> tuple[float, Any]:
        kind = getattr(keras_ssl, objective)
        return student_accuracy(
            lambda encoder, **options: kind(encoder, CLASSES, teacher=model, **more, **options), x, labels, seed
        )

    found[name], student = learned(name, **arguments)
    found["labels alone"], _ = learned("KnowledgeDistillation", teacher_weight=0.0)
    if name != "KnowledgeDistillation":
        found["Hinton's"], _ = learned("KnowledgeDistillation")
    found["teacher"] = float((model.predict(x_test / 255.0, verbose=0).argmax(axis=1) == y_test).mean())
    found |= sizes_and_speeds(as_used(student), model, x)
    return found
