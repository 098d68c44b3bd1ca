"""Self-training in stages: fine-tune, label, train on the labels, fine-tune again."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.data import from_arrays
from keras_ssl.evaluation.extract_features import extract_features
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.schedules import WarmupCosine
from keras_ssl.typing import Tensor

__all__ = ["SelfTraining", "self_training"]

_EPOCHS, _UPDATES = 20, 400


class SelfTraining(NamedTuple):
    """What `self_training` returns: the trained classifier, the pseudo-labels (int32 `[M]`, -1 where none was used),
    the confidence of each (float32 `[M]`), and the teacher that gave them."""

    model: keras.Model
    pseudo_labels: np.ndarray
    confidence: np.ndarray
    teacher: Callable[[np.ndarray], Any]


def self_training(
    model: keras.Model,
    images: Tensor,
    labels: Tensor,
    unlabeled: Tensor,
    *,
    threshold: float = 0.0,
    teacher: Callable[[np.ndarray], Any] | None = None,
    restart: bool = True,
    updates: int | None = None,
    pseudo_updates: int | None = None,
    learning_rate: float = 1e-3,
    batch_size: int = 64,
    seed: int = 0,
) -> SelfTraining:
    """Trains a classifier on few labels, and on its own labels for many samples in between.

    Four stages. The classifier is fine-tuned on the labeled samples: this is the teacher, which then stands still. The
    teacher labels the unlabeled samples, those on which it is confident. A student is trained on these pseudo-labels
    alone, as if they were a further pretraining. And it is fine-tuned on the labeled samples again. Every stage has
    cross-entropy and an Adam of its own, whose rate falls to 0 by half a cosine; inputs are not augmented. `model`
    itself is the student, and ends as the trained classifier.

    Where no sample is confident, or none is given, `model` ends as the teacher: this is plain fine-tuning. The paper
    does not say where the student starts; here it starts as `model` was given (`restart`), or goes on from the teacher.

    Args:
        model: a built `keras.Model` that maps a batch to logits `[N, K]`, such as a pretrained encoder with a Dense
            layer; it must be one that `keras.models.clone_model` copies. It is trained in place.
        images: labeled samples, `[N, ...]`; any inputs of the model.
        labels: class numbers from 0 to K - 1, `[N]`.
        unlabeled: further samples, `[M, ...]`; M may be 0.
        threshold: a pseudo-label is used where the teacher's largest probability is above it, in [0, 1]; 1 uses none.
            Defaults to 0: all are used, as in the paper.
        teacher: a function of samples to logits `[M, K]` that labels in the place of the fine-tuned model. Defaults to
            None.
        restart: whether the student starts from the weights that `model` has when it is given. Defaults to True.
        updates: of the optimizer in each fine-tuning. Defaults to None: 20 epochs, and at least 400.
        pseudo_updates: of the optimizer on pseudo-labels. Defaults to None: 20 epochs, and at least 400.
        learning_rate: at the start of each stage, above 0. Defaults to 1e-3.
        batch_size: samples in a batch; all of them where there are fewer. Defaults to 64.
        seed: of the order of the samples. Defaults to 0.

    Returns:
        The named tuple `(model, pseudo_labels, confidence, teacher)`.

    Raises:
        ValueError: if lengths differ, labels are no classes of the model, or an argument is out of range.

    Example:

    >>> model = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(2)])
    >>> x = np.linspace(-1, 1, 64, dtype="float32")[:, None]
    >>> found = self_training(model, x[::9], x[::9, 0] > 0, x, learning_rate=0.05)
    >>> float(np.mean(found.pseudo_labels == (x[:, 0] > 0))) > 0.9
    True

    Reference:
        Guo, "Predictions For Pre-training Language Models", 2020, https://arxiv.org/abs/2011.09031.
    """
    images, labels, unlabeled = np.asarray(images), np.asarray(labels), np.asarray(unlabeled)
    classes = _checked(model, images, labels, unlabeled)
    threshold = check_number("threshold", threshold, 0.0, 1.0)
    learning_rate = check_positive("learning_rate", learning_rate)
    batch_size, seed = check_integer("batch_size", batch_size, 1), check_integer("seed", seed, 0)
    for name, value in (("updates", updates), ("pseudo_updates", pseudo_updates)):
        if value is not None:
            check_integer(name, value, 0)

    def train(inputs: np.ndarray, targets: np.ndarray, steps: int | None, stage: int) -> None:
        _train(model, inputs, targets, steps, learning_rate, batch_size, (seed + stage) % 2**32)

    start = model.get_weights()
    labels = labels.astype("int32")
    train(images, labels, updates, 0)
    labeler = teacher
    if labeler is None:
        copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        copy.trainable = False

        def labeler(inputs: np.ndarray) -> np.ndarray:
            return extract_features(copy, inputs)

    found, confidence = _pseudo_labels(labeler, unlabeled, classes, threshold)
    used = found >= 0
    if used.any():
        if restart:
            model.set_weights(start)
        train(unlabeled[used], found[used], pseudo_updates, 1)
        train(images, labels, updates, 0)
    return SelfTraining(model, found, confidence, labeler)


def _checked(model: keras.Model, images: np.ndarray, labels: np.ndarray, unlabeled: np.ndarray) -> int:
    """The number of classes of the model, once the arrays suit it and one another."""
    shape = getattr(model, "output_shape", None)
    if not isinstance(model, keras.Model) or not isinstance(shape, tuple) or len(shape) != 2 or shape[1] is None:
        raise ValueError(
            "`model` must be a built keras.Model that gives logits [N, K]. "
            f"Received: model={model!r} with output shape {shape}"
        )
    if len(images) != len(labels) or labels.ndim != 1 or not len(labels):
        raise ValueError(
            "`labels` must hold a class number for each of the images, at least one. "
            f"Received: labels.shape={labels.shape} for {len(images)} images"
        )
    if labels.dtype.kind not in "iub" or not (labels.min() >= 0 and labels.max() < shape[1]):
        raise ValueError(f"`labels` must be class numbers from 0 to {shape[1] - 1}. Received: labels={labels}")
    if len(unlabeled) and unlabeled.shape[1:] != images.shape[1:]:
        raise ValueError(
            f"`unlabeled` must hold samples like those of `images`, {images.shape[1:]}. "
            f"Received: unlabeled.shape={unlabeled.shape}"
        )
    return int(shape[1])


def _pseudo_labels(
    labeler: Callable[[np.ndarray], Any], samples: np.ndarray, classes: int, threshold: float
) -> tuple[np.ndarray, np.ndarray]:
    """The teacher's class of each sample, -1 where its confidence is not above the threshold, and the confidence."""
    if not len(samples):
        return np.zeros((0,), "int32"), np.zeros((0,), "float32")
    logits = np.asarray(keras.ops.convert_to_numpy(labeler(samples)), "float64")
    if logits.shape != (len(samples), classes):
        raise ValueError(
            f"`teacher` must give logits of the shape {(len(samples), classes)}. Received: shape {logits.shape}"
        )
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    confidence = (odds.max(axis=1) / odds.sum(axis=1)).astype("float32")
    return np.where(confidence > threshold, logits.argmax(axis=1), -1).astype("int32"), confidence


def _train(
    model: keras.Model,
    inputs: np.ndarray,
    targets: np.ndarray,
    updates: int | None,
    learning_rate: float,
    batch_size: int,
    seed: int,
) -> None:
    """One stage: cross-entropy, Adam, a rate that falls to 0."""
    batches = from_arrays(inputs, targets, batch_size=min(batch_size, len(inputs)), seed=seed)
    if updates is None:
        updates = max(_EPOCHS * len(batches), _UPDATES)
    model.compile(
        keras.optimizers.Adam(WarmupCosine(learning_rate, max(updates, 1))),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        # XLA is slow to compile and no faster on a CPU; JAX has nothing else.
        jit_compile=keras.backend.backend() == "jax",
    )
    for number in range(updates):
        batch = batches[number % len(batches)]
        model.train_on_batch(batch["x"], batch["y"])
        if number % len(batches) == len(batches) - 1:
            batches.on_epoch_end()
    if not all(np.isfinite(weight).all() for weight in model.get_weights()):
        raise ValueError(f"Training diverged: `learning_rate` is too high. Received: learning_rate={learning_rate}")
