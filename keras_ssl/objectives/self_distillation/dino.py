"""DINO."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.checkpoints.run_layout import RunLayout
from keras_ssl.layers.centering import Centering
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.layers.nested_heads import NestedMLPHead, NestedPrototypes, check_shares, level_parts
from keras_ssl.layers.prototypes import Prototypes
from keras_ssl.layers.state_layer import Plan, late
from keras_ssl.losses.chance import log_mean_exp, lowest_cross_entropy
from keras_ssl.losses.dino_loss import loss_of_targets, teacher_distributions
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.objectives.joint_embedding import TeacherStudent, check_crops
from keras_ssl.registry import register
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="self_distillation", paper="https://arxiv.org/abs/2104.14294")
class DINO(TeacherStudent):
    r"""DINO: from any crop of an image, predict the distribution that a momentum teacher gives a global crop of it.

    The loss is the mean, over each global crop t and each *other* crop s, of the cross-entropy between
    `softmax((teacher_t - center) / T_t)` and `softmax(student_s / T_s)`. The teacher, an exponential moving average of
    encoder, projector and last layer, sees the global crops alone. Its outputs are centered by their running mean over
    the global batch, moved once for each optimizer step, and sharpened by a low temperature: either alone collapses.

    The projector is a perceptron with GELU and no batch norm that ends in a bottleneck; the last layer takes cosines
    of the bottleneck with `out_dim` directions of length 1 (weight normalization with the norm fixed). All crops of
    one size pass the encoder in one batch, and all crops the heads, as in the authors' code.

    Logged: `loss` (chance value `log out_dim`), `teacher_entropy` (near `log out_dim` or 0, it says which way the
    outputs collapse), `teacher_temperature`, `momentum`, `embedding_std` (of the bottleneck). In evaluation the
    teacher's temperature is the final one.

    Args:
        encoder: a built `keras.Model` that maps images of each crop's size to features `[N, F]`; it must be
            rebuildable from its config.
        projector: widths of the projector; the last is the bottleneck. Defaults to `(2048, 2048, 256)`.
        out_dim: number of outputs, K. Defaults to 65536.
        global_crops: number of first views that the teacher sees. Defaults to 2.
        student_temperature: T_s > 0. Defaults to `0.1`.
        teacher_temperature: T_t > 0, at the end of its warm-up. Defaults to `0.04`; the authors take up to 0.07.
        warmup_temperature: T_t at the start. Defaults to `0.04`.
        warmup_steps: number of updates in which T_t goes linearly from one to the other. Defaults to 0; the authors
            take 30 epochs, and change it from epoch to epoch.
        freeze_steps: number of first updates in which the last layer stands still. Defaults to 1251, an epoch of
            ImageNet at batch 1024, as in the authors' code.
        batch_norm: batch norm in the projector, after each hidden Dense. Defaults to False.
        output_norm: batch norm of the bottleneck, as for `MLPHead`. Defaults to None, as in the paper; "plain" keeps
            the small networks of short runs from collapsing at once, because it spreads the bottlenecks.
        nested: shares of the features that heads of their own see, the first features each; they begin with 1 and
            decrease, as in `(1, 0.5, 0.25)`: Matryoshka heads (`keras_ssl.layers.NestedMLPHead`). Each has as many of
            the `out_dim` outputs as its share, and the losses are added up. Defaults to `(1,)`: one head.
        center_momentum: of the running mean. Defaults to 0.9.
        sinkhorn_iterations: above 0, the teacher's distributions are made even over each view's global batch by so
            many iterations of Sinkhorn-Knopp instead of by the center, as in DINOv2 (3 there). Defaults to 0.
        momentum: of the teacher, at the start. Defaults to 0.996; short runs want less.
        final_momentum: at the planned end, along a cosine. Defaults to 1.
        **kwargs: `views` (default: `keras_ssl.views.dino()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if a value is out of range or the encoder cannot be copied.

    Example:

    ```python
    views = keras_ssl.views.dino(local_size=16, local_copies=4, blur=False)
    model = keras_ssl.DINO(
        keras_ssl.encoders.ConvNet(), projector=(128, 64), out_dim=256, views=views, freeze_steps=0, momentum=0.98
    )
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021; for Sinkhorn-Knopp
        Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", 2023.
    """

    run_layout: ClassVar[RunLayout] = RunLayout(
        "student.backbone",
        {
            "projector": "student.head.mlp",
            "last_layer": "student.head.last_layer.weight_v",
            "centering_0/center": "dino_loss.center",
        },
        "teacher.backbone",
        {"projector": "teacher.head.mlp", "last_layer": "teacher.head.last_layer.weight_v"},
        ones=(r"\w+\.head\.last_layer2?\.weight_g",),
    )
    one_pass: ClassVar[bool] = True
    all_views: ClassVar[bool] = True
    stored_as: ClassVar[dict[str, str]] = {
        "out_dim": "last_layer.count",
        "freeze_steps": "last_layer.freeze_steps",
        "output_norm": "projector.output_norm",
        "center_momentum": "centering.momentum",
    }

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 2048, 256),
        out_dim: int = 65536,
        global_crops: int = 2,
        student_temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        warmup_temperature: float = 0.04,
        warmup_steps: int = 0,
        freeze_steps: int = 1251,
        batch_norm: bool = False,
        output_norm: str | None = None,
        nested: Sequence[float] = (1.0,),
        center_momentum: float = 0.9,
        sinkhorn_iterations: int = 0,
        momentum: float = 0.996,
        final_momentum: float | None = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.global_crops = check_integer("global_crops", global_crops, 1)
        self.warmup_steps = check_integer("warmup_steps", warmup_steps, 0)
        self.sinkhorn_iterations = check_integer("sinkhorn_iterations", sinkhorn_iterations, 0)
        self.nested = check_shares(nested)
        self.add_projector(
            projector,
            activation="gelu",
            batch_norm=batch_norm,
            hidden_bias=True,
            output_bias=output_norm is None,
            output_norm=output_norm,
        )
        self.last_layer = self.prototypes("last_layer", out_dim, self.embedding_dim, freeze_steps)
        self.add_teacher(momentum, final_momentum)
        self.centering = Centering(sum(self.counts), center_momentum, name="centering")
        self.student_temperature = check_positive("student_temperature", student_temperature)
        self.teacher_temperature = check_positive("teacher_temperature", teacher_temperature)
        self.warmup_temperature = check_positive("warmup_temperature", warmup_temperature)
        self.batch_norm = batch_norm

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "freeze_steps": 0,
            "batch_norm": True,
            "output_norm": "plain",
            "student_temperature": 0.2,
            "teacher_temperature": 0.05,
            "warmup_temperature": 0.05,
            "sinkhorn_iterations": 3,
        }

    def head(self, name: str, widths: Sequence[int], input_width: int, **options: Any) -> MLPHead:
        if len(self.nested) == 1:
            return super().head(name, widths, input_width, **options)
        head = NestedMLPHead(widths, self.nested, name=name, **options)
        head.build((None, input_width))
        return head

    def prototypes(self, name: str, count: int, dimension: int, freeze_steps: int) -> Prototypes:
        """The last layer of a head."""
        if len(self.nested) == 1:
            return Prototypes(count, dimension, freeze_steps, name=name)
        return NestedPrototypes(count, dimension, freeze_steps, self.nested, name=name)

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of outputs of each of the nested heads."""
        return getattr(self.last_layer, "counts", (self.last_layer.count,))

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.dino()

    @property
    def compares_samples(self) -> bool:
        return self.sinkhorn_iterations > 0

    def advice(self, plan: Plan) -> list[str]:
        unfinished = late("warmup_steps", self.warmup_steps, plan, "the teacher's temperature never gets to its end")
        return super().advice(plan) + unfinished

    @property
    def student(self) -> list[keras.layers.Layer]:
        return [*super().student, self.last_layer]

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        views = self.used_views(batch, step)
        check_crops(views, self.global_crops)
        bottlenecks = self.project(views, step.training)
        updates = step.updates if step.training and self.last_layer.freeze_steps else None
        students = [self.last_layer(z, updates=updates) for z in bottlenecks]
        teachers = self.teach(views[: self.global_crops], step.training)
        return {
            "z1": keras.ops.stop_gradient(bottlenecks[0]),
            **{f"s{number}": view for number, view in enumerate(students, start=1)},
            **{f"t{number}": view for number, view in enumerate(teachers, start=1)},
        }

    def _temperature(self, step: Step) -> Tensor:
        """The teacher's temperature: that of the step in training, the last one in evaluation."""
        if not step.training or not self.warmup_steps:
            return keras.ops.convert_to_tensor(self.teacher_temperature, "float32")
        done = keras.ops.minimum(keras.ops.cast(step.updates, "float32") / self.warmup_steps, 1.0)
        return self.warmup_temperature + (self.teacher_temperature - self.warmup_temperature) * done

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        students = [view for name, view in embeddings.items() if name.startswith("s")]
        teachers = [embeddings[f"t{number}"] for number in range(1, self.global_crops + 1)]
        temperature = self._temperature(step)
        loss, target = self.class_loss(students, teachers, temperature)
        entropy = -keras.ops.mean(keras.ops.sum(target * keras.ops.log(target + 1e-12), axis=1))
        return loss, {"teacher_entropy": entropy, "teacher_temperature": temperature}

    def class_loss(
        self, students: Sequence[Tensor], teachers: Sequence[Tensor], temperature: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The loss across crops, the sum over nested heads; and the first crop's distribution by the first head."""
        centers = level_parts(keras.ops.convert_to_tensor(self.centering.center), self.counts)
        ours, theirs = ([level_parts(view, self.counts) for view in views] for views in (students, teachers))
        losses, first = [], None
        for level, center in enumerate(centers):
            wanted = [parts[level] for parts in theirs]
            targets = teacher_distributions(wanted, temperature, center, self.sinkhorn_iterations)
            losses.append(loss_of_targets([parts[level] for parts in ours], targets, self.student_temperature))
            first = targets[0] if first is None else first
        return sum(losses[1:], losses[0]), first

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """Cross-entropy of the teacher's and the student's distributions over K outputs, the latter at temperature T.

        - at chance `log K + log E exp(cos / T)`, with last layers that point in all directions, as at the start:
          teacher and student have nothing in common;
        - collapsed the same: one embedding for all leaves, once it is centered, an even target, `1 / K` each; training
          may then move the last layer until it is `log K`. (The other collapse, in which one output takes all, ends
          near the floor: `teacher_entropy` tells it.)
        - never below `log(1 + (K - 1) exp(-2 / T))`: the least that any one output costs.

        Of nested heads it is the sum.
        """
        temperature = self.student_temperature
        spread = log_mean_exp(self.embedding_dim, 1.0 / temperature)
        even = sum(math.log(count) + spread for count in self.counts)
        return ExpectedLoss(even, even, sum(lowest_cross_entropy(count - 1, temperature) for count in self.counts))

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        teachers = [embeddings[f"t{number}"] for number in range(1, self.global_crops + 1)]
        self.centering.update(keras.ops.concatenate(teachers, axis=0), updated)
        return super().after_step(embeddings, updated, step)
