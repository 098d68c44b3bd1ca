"""SimDINO."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import check_integer
from keras_ssl.losses.simdino_loss import simdino_terms
from keras_ssl.objectives.joint_embedding import TeacherStudent, check_crops
from keras_ssl.registry import register
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="self_distillation", paper="https://arxiv.org/abs/2502.10385")
class SimDINO(TeacherStudent):
    r"""SimDINO: embeddings of all crops follow a momentum teacher's of the global crops, and fill the sphere.

    `-agreement_weight * agreement - expansion` (`simdino_terms`). The agreement is the mean cosine of the student's
    embedding of a crop with the teacher's of *another* global crop. The expansion is the coding rate of the global
    crops' embeddings over the global batch, times `(D + N) / (D N)`; it alone keeps embeddings apart. There are no
    prototypes, no center, no temperatures, and none of their schedules.

    All crops of one size pass the encoder in one batch. Logged: `loss`, `agreement` (at most 1), `expansion`,
    `momentum`, `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images of each crop's size to features `[N, F]`; it must be
            rebuildable from its config.
        projector: widths of the projector, with GELU and no batch norm; the last is D. Defaults to `(2048, 2048, 256)`.
        global_crops: number of first views that the teacher sees. Defaults to 2.
        epsilon: squared distortion of the coding rate, greater than 0. Defaults to 0.5, the authors'.
        agreement_weight: not negative. Defaults to 1, the authors'.
        expansion_with_teacher: whether the coding rate is that of the mean of student and teacher, or of the student
            alone. Defaults to True.
        batch_norm: batch norm in the projector, after each hidden Dense. Defaults to False.
        momentum: of the teacher, at the start. Defaults to 0.996; short runs want less.
        final_momentum: at the planned end, along a cosine. Defaults to 1.
        **kwargs: `views` (default: `keras_ssl.views.dino()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if a value is out of range or the encoder cannot be copied.

    Example:

    ```python
    views = keras_ssl.views.dino(local_size=16, local_copies=4, blur=False)
    model = keras_ssl.SimDINO(keras_ssl.encoders.ConvNet(), projector=(128, 64), views=views, momentum=0.98)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Wu et al., "Simplifying DINO via Coding Rate Regularization", ICML 2025.
    """

    one_pass: ClassVar[bool] = True
    all_views: ClassVar[bool] = True
    tiny: ClassVar[dict[str, Any] | None] = {"projector": (24, 12), "momentum": 0.9}

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 2048, 256),
        global_crops: int = 2,
        epsilon: float = 0.5,
        agreement_weight: float = 1.0,
        expansion_with_teacher: bool = True,
        batch_norm: bool = False,
        momentum: float = 0.996,
        final_momentum: float | None = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.global_crops = check_integer("global_crops", global_crops, 1)
        self.epsilon = check_number("epsilon", epsilon, 0.0, above=True)
        self.agreement_weight = check_number("agreement_weight", agreement_weight, 0.0)
        self.expansion_with_teacher = bool(expansion_with_teacher)
        self.batch_norm = bool(batch_norm)
        self.add_projector(projector, activation="gelu", batch_norm=self.batch_norm, hidden_bias=True, output_bias=True)
        self.add_teacher(momentum, final_momentum)

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"batch_norm": True, "epsilon": 0.5}

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.dino()

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        views = self.used_views(batch, step)
        check_crops(views, self.global_crops)
        students = self.project(views, step.training)
        teachers = self.teach(views[: self.global_crops], step.training)
        return {
            **{f"z{number}": view for number, view in enumerate(students, start=1)},
            **{f"t{number}": view for number, view in enumerate(teachers, start=1)},
        }

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        students = [view for name, view in embeddings.items() if name.startswith("z")]
        teachers = [view for name, view in embeddings.items() if name.startswith("t")]
        agreement, expansion = simdino_terms(students, teachers, self.epsilon, self.expansion_with_teacher)
        loss = -self.agreement_weight * agreement - expansion
        return loss, {"agreement": agreement, "expansion": expansion}
