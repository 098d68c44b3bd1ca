"""Distillation towards a target that moves from the student to the teacher."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

from keras_ssl.layers.state_layer import StateLayer
from keras_ssl.losses.numeric import as_float
from keras_ssl.objectives.distillation.label_distillation import LabelDistillation
from keras_ssl.registry import register
from keras_ssl.training.labelled_model import label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor

__all__ = ["InterpolationTime", "interpolated_kl_loss"]


def interpolated_kl_loss(student: Tensor, teacher: Tensor, time: Tensor | float) -> Tensor:
    """`KL(softmax((1 - t) stop(s) + t teacher) || softmax(s))` of each sample.

    At `t = 0` it is 0 and has no gradient; at `t = 1` it is distillation at temperature 1.

    Args:
        student: logits, `[N, K]`.
        teacher: logits, `[N, K]`, without gradient.
        time: t, in [0, 1], a number or a scalar tensor.

    Returns:
        float32 `[N]`.
    """
    ops = keras.ops
    student, teacher = as_float(student), ops.stop_gradient(as_float(teacher))
    time = ops.cast(time, student.dtype)
    p = ops.log_softmax((1.0 - time) * ops.stop_gradient(student) + time * teacher, axis=1)
    # Written out, because the gradient q - p of two logarithms is zero only up to rounding where they are equal.
    fixed = ops.stop_gradient(student)
    q = ops.log_softmax(fixed, axis=1)
    divergence = ops.sum(ops.exp(p) * (p - q), axis=1)
    return divergence + ops.sum((ops.exp(q) - ops.exp(p)) * (student - fixed), axis=1)


@keras.saving.register_keras_serializable(package="keras_ssl")
class InterpolationTime(StateLayer):
    """The time t of an interpolated target: it never falls, and rises faster while the loss falls.

    `d = (loss_before - loss) / (loss_before + 1e-15)`, `m = b m + (1 - b) d`,
    `t = min(end, max(start + (end - start) progress, t + a sigmoid(m) (1 - t)))`.

    Args:
        start: t at the beginning, in [0, 1]. Defaults to 0.4.
        end: the largest t, in [start, 1]. Defaults to 1.
        rate: a, not negative; 0 is the linear schedule. Defaults to 5e-4.
        momentum: b, in [0, 1). Defaults to 0.99.

    Raises:
        ValueError: if an argument is out of range.

    Reference:
        Shing et al., "TAID: Temporally Adaptive Interpolated Distillation for Efficient Knowledge Transfer in Language
        Models", ICLR 2025, with the update and defaults of the authors' code. The loss is the paper's divergence;
        the authors' code goes by the cross-entropy, which is larger by the target's entropy.
    """

    def __init__(
        self, start: float = 0.4, end: float = 1.0, rate: float = 5e-4, momentum: float = 0.99, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0.0 <= start <= end <= 1.0:
            raise ValueError(f"`start` and `end` must rise within [0, 1]. Received: start={start}, end={end}")
        if not 0.0 <= rate < float("inf"):
            raise ValueError(f"`rate` must be finite and not negative. Received: rate={rate}")
        if not 0.0 <= momentum < 1.0:
            raise ValueError(f"`momentum` must lie in [0, 1). Received: momentum={momentum}")
        self.start, self.end, self.rate, self.momentum = float(start), float(end), float(rate), float(momentum)
        self._state = self.add_weight(
            name="state",
            shape=(3,),  # t, m, the loss before (negative: none yet)
            initializer=lambda shape, dtype=None: keras.ops.convert_to_tensor([self.start, 0.0, -1.0], dtype=dtype),
            trainable=False,
        )
        self.built = True

    @property
    def time(self) -> Tensor:
        """t, a scalar."""
        return keras.ops.convert_to_tensor(self._state)[0]

    def update(self, loss: Tensor, progress: Tensor, updated: Tensor | bool = True) -> None:
        """Moves t after a step.

        Args:
            loss: of the step, a scalar, not negative.
            progress: share of the planned updates that are made, in [0, 1].
            updated: where false, nothing moves.
        """
        ops = keras.ops
        time, trend, before = ops.unstack(ops.convert_to_tensor(self._state), 3)
        loss = ops.cast(loss, time.dtype)
        change = ops.where(before < 0.0, 0.0, (before - loss) / (ops.abs(before) + 1e-15))
        moved = self.momentum * trend + (1.0 - self.momentum) * change
        linear = self.start + (self.end - self.start) * ops.cast(progress, time.dtype)
        faster = time + self.rate * ops.sigmoid(moved) * (1.0 - time)
        # Before there is a change to go by, the schedule alone decides.
        target = ops.where(before < 0.0, ops.maximum(linear, time), ops.maximum(linear, faster))
        new = ops.stack([ops.minimum(self.end, target), moved, loss])
        self._state.assign(ops.where(updated, new, ops.convert_to_tensor(self._state)))

    def get_config(self) -> dict[str, Any]:
        config = {"start": self.start, "end": self.end, "rate": self.rate, "momentum": self.momentum}
        return {**super().get_config(), **config}


@register("objective", family="distillation", paper="https://arxiv.org/abs/2501.16937")
class TAIDDistiller(LabelDistillation):
    """TAID: distillation towards a target between student and teacher that moves to the teacher as the student follows.

    `w CE(y, s)` over labeled samples plus `KL(softmax((1 - t) stop(s) + t teacher) || softmax(s))` over all, where t is
    an `InterpolationTime`. A weak student of a strong teacher starts from what it can imitate. Logged: `loss`,
    `supervised`, `distilled`, `time`, `accuracy`, `teacher_accuracy`.

    Args:
        encoder: the student: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        teacher: as for `LabelDistillation`: a classifier, an encoder, or stored logits.
        label_weight: w, not negative. Defaults to 0: the teacher alone, as in the paper.
        start, end, rate, momentum: as for `InterpolationTime`. Default to 0.4, 1, 5e-4 and 0.99.
        **kwargs: `views` (default: one crop with a flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the teacher cannot be found, or an argument is out of range.

    Example:

    ```python
    model = keras_ssl.TAIDDistiller(keras_ssl.encoders.ConvNet(), classes=10, teacher=my_classifier)
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Shing et al., "TAID: Temporally Adaptive Interpolated Distillation for Efficient Knowledge Transfer in Language
        Models", ICLR 2025. There between language models; the cross-entropy of labels is our addition.
    """

    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "teacher": "barlow_digits"}
    fixed_arguments: ClassVar[tuple[str, ...]] = ("temperature",)
    stored_as: ClassVar[dict[str, str]] = {
        "start": "clock.start",
        "end": "clock.end",
        "rate": "clock.rate",
        "momentum": "clock.momentum",
    }

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        teacher: Any,
        label_weight: float = 0.0,
        start: float = 0.4,
        end: float = 1.0,
        rate: float = 5e-4,
        momentum: float = 0.99,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("temperature", None)
        super().__init__(encoder, classes, teacher, 1.0, **kwargs)
        if not 0.0 <= label_weight < float("inf"):
            raise ValueError(f"`label_weight` must be finite and not negative. Received: label_weight={label_weight}")
        self.label_weight = float(label_weight)
        self.clock = InterpolationTime(start, end, rate, momentum, name="clock")

    def distillation(self, embeddings: Mapping[str, Tensor], step: Step) -> dict[str, Term]:
        supervised, labeled = label_losses(embeddings["logits"], embeddings["y"])
        distilled = interpolated_kl_loss(embeddings["logits"], embeddings["teacher"], self.clock.time)
        return {
            "supervised": Term(supervised, labeled, self.label_weight),
            "distilled": Term(distilled),
            "time": Term(keras.ops.zeros_like(distilled) + self.clock.time, None, 0.0),
        }

    def gathered_names(self, embeddings: Mapping[str, Tensor]) -> tuple[str, ...]:
        return ("logits", "teacher")

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        loss = interpolated_kl_loss(embeddings["logits"], embeddings["teacher"], self.clock.time)
        # By rounding the mean may lie a little below 0 where the student equals its target.
        self.clock.update(keras.ops.maximum(keras.ops.mean(loss), 0.0), step.progress, updated)
        return None
