"""Looks at a model in training from outside: what a step would compute on a few images, and what has changed since."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from keras_ssl.evaluation.diagnosis.evidence import Evidence, PseudoLabelEvidence
from keras_ssl.evaluation.diagnosis.measures import (
    difference_of_images,
    difference_of_views,
    label_share,
    measure_embedding,
    perplexity,
)
from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.layers.prototypes import Prototypes
from keras_ssl.layers.sample_table import SampleTable
from keras_ssl.objectives.labels.semi_supervised import SemiSupervised, TeacherClassifier
from keras_ssl.training import SSLModel
from keras_ssl.training.batch import is_views

_ENTRIES = 2048  # of each weight that are watched: enough to see it move, and cheap to copy


class TrainingProbe:
    """Takes `Evidence` of a model: at its making what does not change, and at each `take` the rest.

    Nothing of the model changes: the embeddings are those of a training step (batch statistics and all), but whatever
    the step would assign is dropped.

    Args:
        model: the model, built.
        batch: a batch of arrays, by key: `x`, images `[N, ...]` or a tuple of ready-made views of them, and what else
            the objective needs. Where `y` or `index` is missing, samples are unlabeled and numbered from 0.
    """

    def __init__(self, model: SSLModel, batch: Mapping[str, Any]) -> None:
        images, labels = batch["x"], batch.get("y")
        # The views are made once, and those that there are of them are measured once.
        made = [_array(view) for view in (images if is_views(images) else model.first_views(images))]
        count = len(made[0])
        labels = None if labels is None else np.asarray(labels)
        self.data: dict[str, Any] = {"index": np.arange(count, dtype="int32"), **batch, "x": tuple(made)}
        self.data.pop("y", None)
        if "y" in model.batch_fields:
            whole = labels is not None and np.issubdtype(labels.dtype, np.integer)
            self.data["y"] = np.asarray(labels, "int32") if whole else -np.ones(count, "int32")
        self.fixed: dict[str, Any] = {"images_differ": difference_of_images(made[0])}
        if len(made) > 1 and made[0].shape == made[1].shape:
            self.fixed["views_differ"] = difference_of_views(made[0], made[1])
        if labels is not None:
            pixels = np.asarray(images[0] if is_views(images) else images)
            self.fixed["label_share"], self.fixed["label_pixel"] = label_share(pixels, labels)
        layers = list(model._flatten_layers(include_self=False))
        self.teachers = [layer for layer in layers if isinstance(layer, EMATeacher)]
        inside = {id(part) for teacher in self.teachers for part in teacher._flatten_layers(include_self=False)}
        self.memories = [layer for layer in layers if isinstance(layer, FeatureQueue | SampleTable)]
        self.prototypes = [layer for layer in layers if isinstance(layer, Prototypes) and id(layer) not in inside]
        self.student = list(model.encoder.trainable_variables)
        self.taught = [weight for teacher in self.teachers for weight in teacher.averaged_weights]
        self.start_student, self.start_taught = _sample(self.student), _sample(self.taught)
        self.start_memories = [_fingerprint(memory.contents) for memory in self.memories]
        self.start_updates = int(_array(model.updates))
        self.start_embedding: Any = None
        self.program = model.make_probe()
        self.labels = labels if labels is not None and np.issubdtype(labels.dtype, np.integer) else None
        # Pseudo-labels that depend on labeled samples need some.
        self.compares_with_labeled = isinstance(model, SemiSupervised) and model.compares_with_labeled
        self.pseudo_labeler = self.classify = None
        if isinstance(model, SemiSupervised) and (self.labels is not None or not self.compares_with_labeled):
            self.pseudo_labeler = model.pseudo_labeler(count)
        if isinstance(model, TeacherClassifier) and self.labels is not None:
            self.classify = model.backend.program(model, lambda view: (model.teacher_logits(view), model(view)))
        self.first = self.take(model)

    def take(self, model: SSLModel) -> Evidence:
        """The evidence of now."""
        loss, first, gradients = self.program(self.data)
        embedding = _array(first)
        embedding = embedding.reshape(len(embedding), -1)
        now = measure_embedding(embedding)
        if self.start_embedding is None:
            self.start_embedding = now
        updates = int(_array(model.updates))
        expected = model.expected_loss(len(self.data["index"]))
        student = _sample(self.student)
        by_variable = {id(v): g for v, g in zip(model.trainable_variables, gradients, strict=True)}
        norms = [_norm(by_variable.get(id(weight))) for weight in self.student]
        length = float(np.linalg.norm(np.concatenate(self.start_student)))
        return Evidence(
            updates=updates - self.start_updates,
            loss=float(_array(loss)),
            chance=expected.initial,
            collapsed=expected.collapsed,
            floor=expected.floor,
            now=now,
            start=self.start_embedding,
            gradient=float(np.linalg.norm(norms)) / max(length, 1e-12) if norms else None,
            dead=float(np.mean(np.equal(norms, 0.0))) if norms else 0.0,
            student_moved=_moved(student, self.start_student),
            teacher_moved=_moved(_sample(self.taught), self.start_taught) if self.taught else None,
            teacher_fixed=model.fixed_teacher,
            supervised="y" in model.batch_fields,
            unmoved_memories=self._unmoved(updates - getattr(model, "queue_start", 0)),
            pseudo_labels=self._pseudo_labels(),
            **self._prototypes(embedding),
            **self.fixed,
        )

    def _pseudo_labels(self) -> PseudoLabelEvidence | None:
        """What a semi-supervised classifier makes of the images where it does not see their labels."""
        if self.pseudo_labeler is None:
            return None
        views, labels = self.data["x"], self.labels
        given = None
        if self.compares_with_labeled and labels is not None:
            given = np.where(np.arange(len(labels)) % 2, -1, labels)  # every other image keeps its label
        classes, used = self.pseudo_labeler(views, given)
        mine = np.ones(len(classes), bool) if given is None else given == -1
        counts = np.bincount(classes[mine], used[mine])
        known = np.array([], "int64") if labels is None else labels[labels >= 0]
        teacher = student = None
        if self.classify is not None and labels is not None and len(known):
            scores = [_array(part) for part in self.classify(views[0])]
            teacher, student = (float(np.mean(part.argmax(axis=1)[labels >= 0] == known)) for part in scores)
        return PseudoLabelEvidence(
            samples=int(mine.sum()),
            used=float(np.mean(used[mine])),
            largest=float(counts.max() / counts.sum()) if counts.sum() else None,
            largest_label=float(np.bincount(known).max() / len(known)) if len(known) else 0.0,
            teacher_accuracy=teacher,
            student_accuracy=student,
        )

    def _unmoved(self, due: int) -> tuple[str, ...]:
        """Names of memories that hold what they held at the start, though updates were `due`."""
        if due <= 0:
            return ()
        pairs = zip(self.memories, self.start_memories, strict=True)
        return tuple(memory.name for memory, start in pairs if np.array_equal(_fingerprint(memory.contents), start))

    def _prototypes(self, embedding: np.ndarray) -> dict[str, Any]:
        if not self.prototypes:
            return {}
        layer = self.prototypes[0]
        return {
            "prototypes": layer.count,
            "prototypes_used": perplexity(np.argmax(_array(layer(embedding)), axis=1)),
        }


def _array(value: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(value))


def _fingerprint(rows: Any) -> np.ndarray:
    """A vector that is another one once a row is: a bank of a whole data set is too large to be copied."""
    return _array(keras.ops.sum(rows, axis=0))


def _sample(weights: Sequence[Any]) -> list[np.ndarray]:
    """The first entries of each weight; copies, as an array may share the memory of the variable."""
    flat = (keras.ops.reshape(keras.ops.convert_to_tensor(weight), (-1,))[:_ENTRIES] for weight in weights)
    return [np.array(_array(part), "float64") for part in flat]


def _moved(now: list[np.ndarray], start: list[np.ndarray]) -> float:
    if not start:
        return 0.0
    before = np.concatenate(start)
    return float(np.linalg.norm(np.concatenate(now) - before)) / max(float(np.linalg.norm(before)), 1e-12)


def _norm(gradient: Any) -> float:
    if gradient is None:
        return 0.0
    values = keras.ops.cast(keras.ops.convert_to_tensor(gradient), "float32")
    return float(_array(keras.ops.sqrt(keras.ops.sum(keras.ops.square(values)))))
