"""What semi-supervised classifiers share: weak and strong views, the supervised loss, what is logged, a teacher."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.training import engine
from keras_ssl.training.batch import is_views
from keras_ssl.training.check_labels import check_all_classes, warn_of_batches_without_labels
from keras_ssl.training.joined_views import join_views, part_views
from keras_ssl.training.labelled_model import LabelledModel, accuracy_term, label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term, as_terms, local_sums
from keras_ssl.typing import Logs, Tensor


class PseudoTargets(NamedTuple):
    """What a step makes of samples without a label.

    Attributes:
        scores: logits or probabilities whose largest entry is the pseudo-label, `[n, classes]`.
        used: 1 where the pseudo-label is used, else 0, or a weight between, `[n]`.
    """

    scores: Tensor
    used: Tensor


_NOTED: ContextVar[list[PseudoTargets] | None] = ContextVar("noted", default=None)


class SemiSupervised(LabelledModel):
    """A classifier that learns from labeled samples and from unlabeled ones, whose label is -1.

    `embed` gives the logits of a weak and a strong view and the labels. A subclass writes `sample_terms`, or, where it
    needs statistics of the whole batch, `scope = "batch"` and `objective`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        unlabeled_weight: weight of the loss of unlabeled samples, not negative. Defaults to 1.
        **kwargs: as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range.
    """

    monitor: ClassVar[str | None] = "features"

    compares_with_labeled: ClassVar[bool] = False
    """Whether the labeled samples of a batch decide which pseudo-labels are used."""

    def __init__(self, encoder: keras.Model, classes: int, unlabeled_weight: float = 1.0, **kwargs: Any) -> None:
        super().__init__(encoder, classes, **kwargs)
        self.unlabeled_weight = check_weight("unlabeled_weight", unlabeled_weight)

    def default_views(self) -> Callable[..., list[Tensor]]:
        weak = view_ops.Compose([view_ops.RandomResizedCrop(scale=(0.8, 1.0)), view_ops.RandomFlip(0.5)])
        return view_ops.MultiView([weak, view_ops.simclr().views[0]])

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        weak, strong = self.encode(self.make_views(batch, step)[:2], step.training)
        return {
            "features": keras.ops.stop_gradient(weak),
            "weak": self.classify(weak),
            "strong": self.classify(strong),
            "y": batch["y"],
        }

    def encode(self, views: Sequence[Tensor], training: bool) -> list[Tensor]:
        """The features of each view; views of one size pass the encoder together and share batch statistics."""
        if len(views) > 1 and all(tuple(view.shape[1:]) == tuple(views[0].shape[1:]) for view in views):
            return part_views(self.encoder(join_views(views), training=training), len(views))
        return [self.encoder(view, training=training) for view in views]

    def check_samples(self, fields: Mapping[str, Any], whole: bool, batch_size: int | None = None) -> None:
        super().check_samples(fields, whole, batch_size)
        if whole:
            check_all_classes(type(self).__name__, fields["y"], self.classes)
        if batch_size is not None:
            warn_of_batches_without_labels(type(self).__name__, fields["y"], batch_size)

    def pseudo_targets(self, embeddings: dict[str, Tensor], step: Step) -> PseudoTargets:
        """The pseudo-labels of the samples of a batch, and how much each is used: those of the loss.

        A method that uses every sample without choosing has its teacher's predictions here, or its own, all with
        weight 1. A subclass whose pseudo-labels do not pass `pseudo_label_terms` overrides this.
        """
        noted: list[PseudoTargets] = []
        token = _NOTED.set(noted)
        try:
            if self.scope != "sample":
                self.objective(embeddings, step)
            if self.scope != "batch":
                self.sample_terms(embeddings, step)
        finally:
            _NOTED.reset(token)
        if noted:
            return noted[-1]
        scores = next(embeddings[name] for name in ("teacher", "weak", "logits") if name in embeddings)
        return PseudoTargets(scores, keras.ops.ones_like(as_float(scores)[:, 0]))

    def pseudo_labels(self, x: Any, y: Any = None, batch_size: int = 256) -> tuple[np.ndarray, np.ndarray]:
        """The pseudo-labels that training would give unlabeled samples now, and how much it would use each.

        They are those of the view that training takes them from, drawn as in an evaluation, with batch norm at rest
        and running means as they stand. Nothing of the model changes. `pseudo_labeler` compiles once for many calls.

        Args:
            x: images `[N, ...]` in the type that the model expects, or a tuple of ready-made views of them.
            y: class numbers `[N]`, -1 for unlabeled samples, where the method compares unlabeled samples with the
                labeled ones of their batch (`AdaMatch`). Defaults to None: all are unlabeled.
            batch_size: samples in a batch. Defaults to 256, or all where there are fewer.

        Returns:
            Class numbers `[N]`, int32, and weights `[N]`, float32: 1 for a sample that is used, 0 for one that is not.

        Raises:
            ValueError: if there are fewer than two samples, or `y` has not one label for each.

        Example:

        ```python
        classes, used = model.pseudo_labels(images)
        (classes == labels)[used > 0].mean()  # the precision, where labels are known after all
        ```
        """
        return self.pseudo_labeler(batch_size)(x, y)

    def pseudo_labeler(self, batch_size: int = 256) -> Callable[..., tuple[np.ndarray, np.ndarray]]:
        """The function `(x, y=None)` that `pseudo_labels` calls, which sees the weights as they are at each call."""
        check_integer("batch_size", batch_size, 2)
        program = self.backend.program(self, self._pseudo_step)

        def label(x: Any, y: Any = None) -> tuple[np.ndarray, np.ndarray]:
            views = tuple(np.asarray(view) for view in x) if is_views(x) else (np.asarray(x),)
            count = len(views[0])
            labels = np.full(count, -1, "int32") if y is None else np.asarray(y)
            if count < 2 or labels.shape != (count,):
                raise ValueError(
                    "`x` must hold two samples or more, and `y` a label for each. "
                    f"Received: len(x)={count}, y.shape={labels.shape}"
                )
            size = min(batch_size, count)
            found = []
            for start in range(0, count, size):
                # The last batch is filled up with the first samples: a batch of another size is another program.
                rows = np.arange(start, start + size) % count
                batch = {"x": tuple(view[rows] for view in views) if is_views(x) else views[0][rows], "y": labels[rows]}
                if "index" in self.batch_fields:
                    batch["index"] = rows.astype("int32")
                found.append([keras.ops.convert_to_numpy(part) for part in program(batch)])
            classes, used = (np.concatenate(parts)[:count] for parts in zip(*found, strict=True))
            return classes.astype("int32"), used.astype("float32")

        return label

    def _pseudo_step(self, data: dict[str, Any]) -> tuple[Tensor, Tensor]:
        batch, step = engine.prepare(self, data, training=False, check=not is_views(data["x"]))
        step = replace(step, index=keras.ops.zeros((), "int32"))
        scores, used = self.pseudo_targets(engine.embed(self, batch, step), step)
        return keras.ops.argmax(scores, axis=1), as_float(used)


def supervised_terms(logits: Tensor, labels: Tensor) -> dict[str, Term]:
    """The cross-entropy of labeled samples, and their accuracy, which is only logged.

    Args:
        logits: `[n, classes]`.
        labels: class numbers, `[n]`; -1 is unlabeled.
    """
    losses, labeled = label_losses(logits, labels)
    return {"supervised": Term(losses, labeled), "accuracy": accuracy_term(logits, labels)}


def pseudo_label_terms(
    losses: Tensor, used: Tensor, weak: Tensor, labels: Tensor, coefficient: Tensor | float
) -> dict[str, Term]:
    """The loss of the unlabeled samples, the share that is used, and how often pseudo-labels are right.

    Args:
        losses: of each sample, 0 where it is not used, `[n]`.
        used: 1 where a pseudo-label is used, else 0, or a weight between, `[n]`.
        weak: logits that give the pseudo-labels, `[n, classes]`.
        labels: class numbers, `[n]`; -1 is unlabeled.
        coefficient: weight of the loss.
    """
    labeled = keras.ops.cast(keras.ops.not_equal(keras.ops.cast(labels, "int32"), -1), "float32")
    noted = _NOTED.get()
    if noted is not None:
        noted.append(PseudoTargets(weak, used))
    return {
        "unsupervised": Term(losses, 1.0 - labeled, coefficient),
        "confident": Term(used, 1.0 - labeled, 0.0),
        "precision": Term(accuracy_term(weak, labels).values, labeled * used, 0.0),
    }


def mean_of_terms(terms: Mapping[str, Term]) -> tuple[Tensor, Logs]:
    """The loss and the logs of terms that hold the samples of the whole batch, for objectives of scope "batch"."""
    terms = as_terms(terms)
    sums = local_sums(terms)
    means = {name: sums[2 * place] / keras.ops.maximum(sums[2 * place + 1], 1e-12) for place, name in enumerate(terms)}
    loss = keras.ops.zeros((), "float32")
    for name, term in terms.items():
        if not (isinstance(term.coefficient, int | float) and term.coefficient == 0):
            loss = loss + term.coefficient * means[name]
    return loss, means


def unlabeled_mean(rows: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of the rows `[n, ...]` of unlabeled samples, and whether there is one; zeros where there is none."""
    ops = keras.ops
    unlabeled = ops.cast(ops.equal(ops.cast(labels, "int32"), -1), rows.dtype)
    count = ops.sum(unlabeled)
    weights = ops.reshape(unlabeled, (-1, *[1] * (len(rows.shape) - 1)))
    return ops.sum(weights * rows, axis=0) / ops.maximum(count, 1.0), count > 0


class TeacherClassifier(SemiSupervised):
    """A semi-supervised classifier whose encoder and head are followed by a momentum teacher, `self.teacher`.

    A subclass calls `add_teacher` in its `__init__`, once its heads are made. The teacher sees the weak view; its
    logits are among the embeddings, as "teacher". Logged: `momentum`.
    """

    teacher: EMATeacher
    stored_as: ClassVar[dict[str, str]] = {"momentum": "teacher.momentum", "final_momentum": "teacher.final_momentum"}

    def add_teacher(self, momentum: float, final_momentum: float | None) -> None:
        """Makes `self.teacher`, a copy of `self.student`.

        Args:
            momentum: at the start, in [0, 1].
            final_momentum: at the planned end, along a cosine; None keeps `momentum`.
        """
        self.teacher = EMATeacher(self.student, momentum, final_momentum, name="teacher")

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        views = self.make_views(batch, step)[:2]
        weak, strong = self.encode(views, step.training)
        return {
            "features": keras.ops.stop_gradient(weak),
            "weak": self.classify(weak),
            "strong": self.classify(strong),
            "teacher": self.teacher(views[0], training=step.training),
            "y": batch["y"],
        }

    @property
    def student(self) -> list[keras.layers.Layer]:
        """What the teacher follows."""
        return [self.encoder, self.classifier]

    def before_first_step(self) -> None:
        self.teacher.begin(self.student)

    def teacher_logits(self, x: Tensor) -> Tensor:
        """The teacher's logits of inputs, `[N, classes]`: its weights are an average, and often the better ones."""
        return as_float(self.teacher(self.encoder_input(x), training=False))

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        return {"momentum": self.teacher.update(self.student, step.updates, step.total_updates, updated)}


def check_share(name: str, value: float) -> float:
    """`value`, or an error that names the argument where it lies outside [0, 1]."""
    return check_number(name, value, 0.0, 1.0)


def check_weight(name: str, value: float) -> float:
    """`value`, or an error that names the argument where it is negative or not finite."""
    return check_number(name, value, 0.0)


def check_above(name: str, value: float) -> float:
    """`value`, or an error that names the argument where it is not positive or not finite."""
    return check_number(name, value, 0.0, above=True)
