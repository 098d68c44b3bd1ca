"""DINO."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.layers.centering import Centering
from keras_ssl.layers.prototypes import Prototypes
from keras_ssl.losses.chance import log_mean_exp, lowest_cross_entropy
from keras_ssl.losses.dino_loss import loss_of_targets, teacher_distributions
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.objectives.joint_embedding import TeacherStudent, check_crops
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.typing import Logs, Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class DINO(TeacherStudent):
    r"""DINO: from any crop of an image, predict the distribution that a momentum teacher gives a global crop of it.

    The loss is the mean, over each global crop t and each *other* crop s, of the cross-entropy between
    `softmax((teacher_t - centre) / T_t)` and `softmax(student_s / T_s)`. The teacher, an exponential moving average of
    encoder, projector and last layer, sees the global crops alone. Its outputs are centred by their running mean over
    the global batch, moved once for each optimizer step, and sharpened by a low temperature: either alone collapses.

    The projector is a perceptron with GELU and no batch norm that ends in a bottleneck; the last layer takes cosines
    of the bottleneck with `out_dim` directions of length 1 (weight normalisation with the norm fixed). All crops of
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
        centre_momentum: of the running mean. Defaults to 0.9.
        sinkhorn_iterations: above 0, the teacher's distributions are made even over each view's global batch by so
            many iterations of Sinkhorn-Knopp instead of by the centre, as in DINOv2 (3 there). Defaults to 0.
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

    one_pass: ClassVar[bool] = True
    all_views: ClassVar[bool] = True

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
        centre_momentum: float = 0.9,
        sinkhorn_iterations: int = 0,
        momentum: float = 0.996,
        final_momentum: float | None = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.global_crops = check_integer("global_crops", global_crops, 1)
        self.warmup_steps = check_integer("warmup_steps", warmup_steps, 0)
        self.sinkhorn_iterations = check_integer("sinkhorn_iterations", sinkhorn_iterations, 0)
        self.add_projector(
            projector,
            activation="gelu",
            batch_norm=batch_norm,
            hidden_bias=True,
            output_bias=output_norm is None,
            output_norm=output_norm,
        )
        self.last_layer = Prototypes(out_dim, self.embedding_dim, freeze_steps, name="last_layer")
        self.add_teacher(momentum, final_momentum)
        self.centering = Centering(out_dim, centre_momentum, name="centering")
        self.student_temperature = check_positive("student_temperature", student_temperature)
        self.teacher_temperature = check_positive("teacher_temperature", teacher_temperature)
        self.warmup_temperature = check_positive("warmup_temperature", warmup_temperature)
        self.batch_norm = batch_norm

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.dino()

    @property
    def compares_samples(self) -> bool:
        return self.sinkhorn_iterations > 0

    @property
    def student(self) -> list[keras.layers.Layer]:
        return [*super().student, self.last_layer]

    def embed(self, batch: dict[str, Tensor], training: bool) -> dict[str, Tensor]:
        views = self.used_views(batch)
        check_crops(views, self.global_crops)
        bottlenecks = self.project(views, training)
        updates = self.updates if training and self.last_layer.freeze_steps else None
        students = [self.last_layer(z, updates=updates) for z in bottlenecks]
        teachers = self.teach(views[: self.global_crops], training)
        return {
            "z1": keras.ops.stop_gradient(bottlenecks[0]),
            **{f"s{number}": view for number, view in enumerate(students, start=1)},
            **{f"t{number}": view for number, view in enumerate(teachers, start=1)},
            # Passed on for each sample: the objective does not know whether this is training.
            "temperature": self._temperature(training) * keras.ops.ones_like(teachers[0][:, 0]),
        }

    def _temperature(self, training: bool) -> float | Tensor:
        """The teacher's temperature, now in training and finally in evaluation."""
        if not training or not self.warmup_steps:
            return self.teacher_temperature
        done = keras.ops.minimum(keras.ops.cast(self.updates, "float32") / self.warmup_steps, 1.0)
        return self.warmup_temperature + (self.teacher_temperature - self.warmup_temperature) * done

    def objective(self, embeddings: dict[str, Tensor]) -> tuple[Tensor, Logs]:
        students = [view for name, view in embeddings.items() if name.startswith("s")]
        teachers = [embeddings[f"t{number}"] for number in range(1, self.global_crops + 1)]
        temperature, centre = embeddings["temperature"][:, None], self.centering.centre
        targets = teacher_distributions(teachers, temperature, centre, self.sinkhorn_iterations)
        loss = loss_of_targets(students, targets, self.student_temperature)
        entropy = -keras.ops.mean(keras.ops.sum(targets[0] * keras.ops.log(targets[0] + 1e-12), axis=1))
        return loss, {"teacher_entropy": entropy, "teacher_temperature": keras.ops.mean(temperature)}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """Cross-entropy of the teacher's and the student's distributions over K outputs, the latter at temperature T.

        - at chance `log K + log E exp(cos / T)`, with last layers that point in all directions, as at the start:
          teacher and student have nothing in common;
        - collapsed the same: one embedding for all leaves, once it is centred, an even target, `1 / K` each; training
          may then move the last layer until it is `log K`. (The other collapse, in which one output takes all, ends
          near the floor: `teacher_entropy` tells it.)
        - never below `log(1 + (K - 1) exp(-2 / T))`: the least that any one output costs.
        """
        count, temperature = self.last_layer.count, self.student_temperature
        even = math.log(count) + log_mean_exp(self.embedding_dim, 1.0 / temperature)
        return ExpectedLoss(even, even, lowest_cross_entropy(count - 1, temperature))

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor) -> Logs:
        teachers = [embeddings[f"t{number}"] for number in range(1, self.global_crops + 1)]
        self.centering.update(keras.ops.concatenate(teachers, axis=0), updated)
        return super().after_step(embeddings, updated)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "out_dim": self.last_layer.count,
            "global_crops": self.global_crops,
            "student_temperature": self.student_temperature,
            "teacher_temperature": self.teacher_temperature,
            "warmup_temperature": self.warmup_temperature,
            "warmup_steps": self.warmup_steps,
            "freeze_steps": self.last_layer.freeze_steps,
            "batch_norm": self.batch_norm,
            "output_norm": self.projector.output_norm,
            "centre_momentum": self.centering.momentum,
            "sinkhorn_iterations": self.sinkhorn_iterations,
        }
