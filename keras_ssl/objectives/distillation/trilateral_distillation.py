"""TGeo-KD: a ratio of teacher to label for each sample, learned on samples that are held out."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.layers.running_mean import RunningMean
from keras_ssl.losses.distillation.trilateral_loss import fused_distillation_loss, trilateral_geometry
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.objectives.distillation.label_distillation import LabelDistillation
from keras_ssl.random import Stream
from keras_ssl.registry import register
from keras_ssl.training import engine
from keras_ssl.training.derivatives import hessian_vector_product
from keras_ssl.training.engine import Outcome
from keras_ssl.training.fields import Field
from keras_ssl.training.labelled_model import label_losses
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor

_HELD_OUT_DRAW = 0x7E0  # keeps which samples are held out apart from what else the seed decides


@register("objective", family="distillation", paper="https://arxiv.org/abs/2312.15112")
class TrilateralDistillation(LabelDistillation):
    """TGeo-KD: how much a sample's student learns from the teacher, and how much from the label, is itself learned.

    The student lowers `mean_n a_n T^2 KL(t || s) + (1 - a_n) CE(y, s)`, `losses.fused_distillation_loss`, over the
    samples that are not held out. `a_n = sigmoid(g(e_n))`, where g is a network with one hidden layer and `e_n` is
    `losses.trilateral_geometry`: how student, teacher, label and the teacher's mean for the class lie to each other. g
    lowers the cross-entropy of the held-out samples after a virtual step of the student, `w - r gradient`: its gradient
    is exact, by a product with the mixed second derivatives. A teacher that is wrong about some samples loses its
    weight there. Logged: `loss`, `fused` (the same), `ratio` (the mean of a over labeled samples), `held_out` (the
    cross-entropy of the held-out samples), `accuracy`, `teacher_accuracy`.

    Which samples are held out is a function of the seed and the sample's number (`index`). A step costs about four
    times that of `KnowledgeDistillation`.

    Args:
        encoder: the student: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes.
        teacher: as for `LabelDistillation`: a classifier, an encoder, or stored logits.
        temperature: T > 0. Defaults to 4.
        held_out: share of the samples that are held out, in (0, 1). Defaults to 0.2.
        virtual_rate: r, the rate of the virtual step, > 0. Defaults to 0.1.
        hidden: width of g's hidden layer. Defaults to 16.
        momentum: of the teacher's means of classes, in [0, 1]. Defaults to 0.9.
        **kwargs: `views` (default: one crop with a flip), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the teacher cannot be found, or an argument is out of range.

    Example:

    ```python
    model = keras_ssl.TrilateralDistillation(keras_ssl.encoders.ConvNet(), classes=10, teacher=my_classifier)
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Hu et al., "Less or More From Teacher: Exploiting Trilateral Geometry For Knowledge Distillation", ICLR 2024.
        The form of g's input, held-out samples within the batch and one virtual step for every step are our choice.
        Student and g share the optimizer.
    """

    fields: ClassVar[dict[str, Field]] = {**LabelDistillation.fields, "index": Field("int32")}
    tiny: ClassVar[dict[str, Any] | None] = {
        "classes": 4,
        "teacher": "barlow_digits",
        "held_out": 0.5,
        "virtual_rate": 10.0,
        "hidden": 4,
    }
    stored_as: ClassVar[dict[str, str]] = {"momentum": "class_means.momentum"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        teacher: Any,
        temperature: float = 4.0,
        held_out: float = 0.2,
        virtual_rate: float = 0.1,
        hidden: int = 16,
        momentum: float = 0.9,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, teacher, temperature, **kwargs)
        if not 0.0 < check_number("held_out", held_out, 0.0) < 1.0:
            raise ValueError(f"`held_out` must lie in (0, 1). Received: held_out={held_out}")
        self.held_out = float(held_out)
        self.virtual_rate = check_number("virtual_rate", virtual_rate, 0.0, above=True)
        self.hidden = check_integer("hidden", hidden, 1)
        # In float32, because the objective computes in it.
        self.ratio_hidden = keras.layers.Dense(self.hidden, "tanh", name="ratio_hidden", dtype="float32")
        self.ratio_hidden.build((None, 5 * self.classes + 5))
        self.ratio_output = keras.layers.Dense(1, "sigmoid", name="ratio_output", dtype="float32")
        self.ratio_output.build((None, self.hidden))
        uniform = [1.0 / self.classes] * self.classes**2
        self.class_means = RunningMean(uniform, momentum, name="class_means")

    @property
    def meta_weights(self) -> list[keras.Variable]:
        """The weights of g: the held-out samples train them, and not the loss."""
        return [*self.ratio_hidden.weights, *self.ratio_output.weights]

    def held(self, index: Tensor) -> Tensor:
        """1 for samples that are held out, else 0, by their numbers: float32 `[n]`."""
        drawn = Stream(self.seed, _HELD_OUT_DRAW, keras.ops.cast(index, "int32")).uniform()
        return keras.ops.cast(drawn < self.held_out, "float32")

    def ratio(self, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
        """a of each sample, `[n]`, with the gradient of g only."""
        means = keras.ops.reshape(self.class_means.contents, (self.classes, self.classes))
        geometry = trilateral_geometry(student, teacher, labels, means)
        return self.ratio_output(self.ratio_hidden(geometry))[:, 0]

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        return {**super().embed(batch, step), "held": self.held(batch["index"])}

    def distillation(self, embeddings: Mapping[str, Tensor], step: Step) -> dict[str, Term]:
        student, teacher, labels = embeddings["logits"], embeddings["teacher"], embeddings["y"]
        ratio = self.ratio(student, teacher, labels)
        losses, labeled = label_losses(student, labels)
        return {
            "fused": Term(
                fused_distillation_loss(student, teacher, labels, ratio, self.temperature), 1.0 - embeddings["held"]
            ),
            "ratio": Term(ratio, labeled, 0.0),
            "held_out": Term(losses, labeled * embeddings["held"], 0.0),
        }

    def gradients(self, batch: dict[str, Any], step: Step) -> tuple[Outcome, list[Tensor | None]]:
        """The gradient of the loss for student and teacher's classifier, that of the held-out samples for g."""
        ops = keras.ops
        outcome, gradients = self.loss_and_gradients(batch, step)
        scale = engine.loss_scale(getattr(self, "optimizer", None))
        factor = ops.ones((), "float32") if scale is None else ops.cast(scale, "float32")
        variables = self.trainable_variables
        of_ratio = {id(weight) for weight in self.meta_weights}
        values = [ops.add(ops.convert_to_tensor(variable), 0) for variable in variables]
        whole = self._whole(gradients, values)
        moved = [
            value if id(variable) in of_ratio else value - ops.cast(self.virtual_rate / factor * gradient, value.dtype)
            for variable, value, gradient in zip(variables, values, whole, strict=True)
        ]
        meta = self.ratio_gradient(batch, step, values, moved)
        return outcome, [
            ops.cast(factor * mine, keras.backend.standardize_dtype(variable.dtype))
            if id(variable) in of_ratio
            else gradient
            for variable, gradient, mine in zip(variables, gradients, meta, strict=True)
        ]

    def ratio_gradient(
        self, batch: dict[str, Any], step: Step, values: Sequence[Tensor], moved: Sequence[Tensor]
    ) -> list[Tensor]:
        """The gradient of the held-out loss after the virtual step: of each trainable variable, this replica's part.

        Args:
            batch, step: of the step.
            values: of the trainable variables before the virtual step.
            moved: and after it.
        """
        ops, variables = keras.ops, self.trainable_variables
        of_ratio = {id(weight) for weight in self.meta_weights}
        _, after = self.backend.value_and_gradients(
            self, lambda: (self._part(batch, step, "held_out"), ()), variables, at=list(moved)
        )
        direction = [
            ops.zeros_like(value) if id(variable) in of_ratio else gradient
            for variable, value, gradient in zip(variables, values, self._whole(after, values), strict=True)
        ]
        products = hessian_vector_product(lambda: self._part(batch, step, "fused"), self, variables, direction)
        return [-self.virtual_rate * product for product in products]

    def _part(self, batch: dict[str, Any], step: Step, name: str) -> Tensor:
        """This replica's share of the mean of a term."""
        term = self.sample_terms(engine.embed(self, batch, step), step)[name]
        weights = keras.ops.stop_gradient(term.weights)
        total = self.backend.sum_over_replicas([keras.ops.sum(weights)])[0]
        return keras.ops.sum(weights * as_float(term.values)) / keras.ops.maximum(total, 1e-12)

    def _whole(self, gradients: Sequence[Tensor | None], values: Sequence[Tensor]) -> list[Tensor]:
        """Gradients of the global batch, dense, with zeros for those that are None."""
        ops = keras.ops
        summed = self.backend.sum_gradients(getattr(self, "optimizer", None), list(gradients))
        return [
            ops.zeros_like(value) if gradient is None else ops.convert_to_tensor(gradient, sparse=False)
            for gradient, value in zip(summed, values, strict=True)
        ]

    def gathered_names(self, embeddings: Mapping[str, Tensor]) -> tuple[str, ...]:
        return ("teacher", "y")

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        ops = keras.ops
        probabilities = ops.softmax(as_float(embeddings["teacher"]), axis=1)
        labels = ops.cast(embeddings["y"], "int32")
        member = ops.one_hot(labels, self.classes, dtype=probabilities.dtype)  # a row of zeros for -1
        count = ops.sum(member, axis=0)[:, None]
        old = ops.reshape(self.class_means.contents, (self.classes, self.classes))
        mean = ops.matmul(ops.transpose(member), probabilities) / ops.maximum(count, 1.0)
        self.class_means.update(ops.reshape(ops.where(count > 0, mean, old), (-1,)), updated)
        return None
