"""FutureSelfTraining."""

from dataclasses import replace
from typing import Any, ClassVar

import keras

from keras_ssl.losses.numeric import check_integer
from keras_ssl.losses.pseudo_label_loss import pseudo_label_loss
from keras_ssl.objectives.labels.semi_supervised import (
    TeacherClassifier,
    check_share,
    check_weight,
    pseudo_label_terms,
    supervised_terms,
)
from keras_ssl.registry import register
from keras_ssl.schedules.cosine_momentum import cosine_momentum
from keras_ssl.training.engine import Outcome, loss_scale
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor

_SEED = 0x51ED2701  # of the views of further futures


@register("objective", family="labels", paper="https://arxiv.org/abs/2209.06993")
class FutureSelfTraining(TeacherClassifier):
    """Future self-training: the teacher that labels a batch follows the student that the batch will have made.

    The loss is `CE(y, p(weak))`, mean over the labeled samples, plus `unlabeled_weight` times the mean over the
    unlabeled ones of `[max t >= threshold] CE(argmax t, p(strong))`, with the teacher's prediction t for the weak view.
    Each step first takes a virtual step, `w' = w - virtual_rate * gradient(w)`, moves the teacher towards it,
    `teacher = m * teacher + (1 - m) * w'`, and then computes the gradient of the real step at the weights w, with
    pseudo-labels of the moved teacher. Of the virtual step nothing else remains.

    With `depth` K, K virtual steps follow one another, each with the teacher that the one before has moved. With
    `width` N, N virtual steps start from w, and their mean moves the teacher; the first has the views of the real step,
    the others further views of the same samples (the authors take further batches). `depth=0` is self-training with
    a mean teacher: the teacher follows the real step. A virtual step is one of plain gradient descent (the authors take
    one of their optimizer), and computes the batch statistics anew; where its gradient is not finite, it is not taken.

    Logged: `loss`, `supervised`, `unsupervised`, `accuracy` of the labeled samples, `confident`: the share of unlabeled
    samples that are used, `precision`: the share of right ones among the pseudo-labels that confident labeled samples
    would get, `momentum`. A batch mixes labeled samples and unlabeled ones, whose label is -1, as for `FixMatch`.
    Predictions are the student's; `teacher_logits` gives the teacher's.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        classes: number of classes.
        threshold: least confidence of a pseudo-label, in [0, 1]. Defaults to 0.95.
        depth: number K of virtual steps in a row, at least 0. Defaults to 1; the authors take 3 at best.
        width: number N of virtual steps side by side, at least 1; above 1 only with `depth=1`. Defaults to 1.
        virtual_rate: length of a virtual step, not negative. Defaults to None: the optimizer's learning rate.
        momentum: of the teacher, in [0, 1]. Defaults to 0.999, the authors'; short runs want less.
        final_momentum: at the planned end, along a cosine. Defaults to None: `momentum`.
        unlabeled_weight: weight of the unlabeled samples, not negative. Defaults to 1.
        **kwargs: `views` (default: as for `FixMatch`), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range or the encoder cannot be copied.

    Example:

    ```python
    model = keras_ssl.FutureSelfTraining(keras_ssl.encoders.ConvNet(), classes=10, momentum=0.98)
    model.compile("adam")
    model.fit(data, epochs=10)  # of `keras_ssl.data.from_streams`
    ```

    Reference:
        Du et al., "Learning from Future: A Novel Self-Training Framework for Semantic Segmentation", NeurIPS 2022.
    """

    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "threshold": 0.3, "momentum": 0.9}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        threshold: float = 0.95,
        depth: int = 1,
        width: int = 1,
        virtual_rate: float | None = None,
        momentum: float = 0.999,
        final_momentum: float | None = None,
        unlabeled_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, unlabeled_weight=unlabeled_weight, **kwargs)
        self.threshold = check_share("threshold", threshold)
        self.depth = check_integer("depth", depth, 0)
        self.width = check_integer("width", width, 1)
        if self.width > 1 and self.depth != 1:
            raise ValueError(f"`width` above 1 needs `depth=1`. Received: width={width}, depth={depth}")
        self.virtual_rate = None if virtual_rate is None else check_weight("virtual_rate", virtual_rate)
        self.add_teacher(momentum, final_momentum)

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        teacher, labels = embeddings["teacher"], embeddings["y"]
        losses, confident = pseudo_label_loss(teacher, embeddings["strong"], self.threshold)
        return {
            **supervised_terms(embeddings["weak"], labels),
            **pseudo_label_terms(losses, confident, teacher, labels, self.unlabeled_weight),
        }

    def gradients(self, batch: dict[str, Any], step: Step) -> tuple[Outcome, list[Tensor | None]]:
        """The gradient at the weights as they are, with pseudo-labels of the teacher of the virtual future."""
        if not self.depth:
            return super().gradients(batch, step)
        ops = keras.ops
        before = [ops.add(ops.convert_to_tensor(weight), 0) for weight in self.teacher.averaged_weights]
        start = [ops.add(ops.convert_to_tensor(weight), 0) for weight in self.trainable_variables]
        if self.width == 1:
            values = start
            for _ in range(self.depth):
                values = self._virtual_step(batch, step, values)
                self._move_teacher(values, step)
        else:
            steps = [step, *(replace(step, seed=self.seed ^ (_SEED + n)) for n in range(1, self.width))]
            futures = [self._virtual_step(batch, one, start) for one in steps]
            self._move_teacher([sum(parts) / float(self.width) for parts in zip(*futures, strict=True)], step)
        outcome, gradients = self.loss_and_gradients(batch, step)
        # The real step may be skipped, and the teacher must then be as it was.
        kept = {f"teacher_weight{n}": value for n, value in enumerate(before)}
        return replace(outcome, embeddings={**outcome.embeddings, **kept}), gradients

    def _virtual_step(self, batch: dict[str, Any], step: Step, values: list[Tensor]) -> list[Tensor]:
        _, gradients = self.loss_and_gradients(batch, step, at=values)
        gradients = self.backend.sum_gradients(self.optimizer, gradients)
        inner: Any = getattr(self.optimizer, "inner_optimizer", self.optimizer)
        rate = inner.learning_rate if self.virtual_rate is None else self.virtual_rate
        scale = loss_scale(self.optimizer)
        rate = keras.ops.cast(rate, "float32") / (1.0 if scale is None else keras.ops.cast(scale, "float32"))
        ops = keras.ops
        dense = [None if g is None else ops.cast(ops.convert_to_tensor(g, sparse=False), "float32") for g in gradients]
        # Under loss scaling a gradient may overflow. A teacher of NaN would spoil its moving statistics for good.
        finite = ops.ones((), "bool")
        for gradient in dense:
            if gradient is not None:
                finite = ops.logical_and(finite, ops.all(ops.isfinite(gradient)))
        moved = []
        for value, gradient in zip(values, dense, strict=True):
            if gradient is not None:
                value = ops.where(finite, value - ops.cast(rate * gradient, value.dtype), value)
            moved.append(ops.stop_gradient(value))
        return moved

    def _move_teacher(self, values: list[Tensor], step: Step) -> None:
        """Moves the teacher towards a student with other trainable weights."""
        of = {id(weight): value for weight, value in zip(self.trainable_variables, values, strict=True)}
        for teacher, student in zip(self.teacher.averaged_weights, self._student_weights(), strict=True):
            rate = keras.ops.cast(self._momentum(step), teacher.dtype)
            value = of.get(id(student), student)
            teacher.assign(rate * teacher + (1.0 - rate) * keras.ops.cast(value, teacher.dtype))

    def _student_weights(self) -> list[keras.Variable]:
        """The student's weights that the teacher's averaged ones follow."""
        own = {id(weight) for weight in self.teacher.averaged_weights}
        pairs = zip(self.teacher.modules, self.student, strict=True)
        weights = [pair for mine, theirs in pairs for pair in zip(mine.weights, theirs.weights, strict=True)]
        return [student for teacher, student in weights if id(teacher) in own]

    def _momentum(self, step: Step) -> Tensor:
        final = self.teacher.momentum if self.teacher.final_momentum is None else self.teacher.final_momentum
        return cosine_momentum(step.updates, step.total_updates, base=self.teacher.momentum, final=final)

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        if not self.depth:
            return super().after_step(embeddings, updated, step)
        if "teacher_weight0" not in embeddings:  # no virtual step has been taken
            return {"momentum": self._momentum(step)}
        for number, weight in enumerate(self.teacher.averaged_weights):
            weight.assign(
                keras.ops.where(updated, keras.ops.convert_to_tensor(weight), embeddings[f"teacher_weight{number}"])
            )
        return {"momentum": self._momentum(step)}
