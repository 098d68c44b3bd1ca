"""ReSSL."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.losses.chance import log_mean_exp, lowest_cross_entropy
from keras_ssl.losses.numeric import check_positive, l2_normalize
from keras_ssl.losses.ressl_loss import ressl_loss
from keras_ssl.objectives.joint_embedding import TeacherStudent
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="self_distillation", paper="https://arxiv.org/abs/2107.09282")
class ReSSL(TeacherStudent):
    """ReSSL: relate an image to earlier images as a momentum teacher does that sees it augmented only weakly.

    The student's distribution over a queue of the teacher's past embeddings, from view 1, is driven to the teacher's,
    from view 2, by cross-entropy: `H(softmax(t2.Q / T_t), softmax(s1.Q / T_s))`. There is neither a predictor nor a
    negative. The teacher's lower temperature sharpens its distribution; its view should be a weak augmentation.
    After each step the teacher's embeddings of the global batch join the queue. Logged: `loss` (chance value
    `log(queue_size)`), `momentum`, `embedding_std` (of the student's embedding).

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        projector: widths of the projector. Defaults to `(4096, 512)`.
        batch_norm: batch norm between the projector's hidden Dense and its ReLU. Defaults to True.
        output_norm: batch norm, without scale and shift, after the projector's last Dense too. Defaults to False, the
            paper's. Short runs need it: without it all embeddings of an untrained network point one way.
        queue_size: number of embeddings kept; it must hold a global batch. Defaults to 131072.
        temperature: T_s > 0. Defaults to `0.1`.
        teacher_temperature: T_t > 0. Defaults to `0.04`.
        momentum: of the teacher, at the start. Defaults to `0.999`; short runs want less.
        final_momentum: at the planned end, along a cosine. None (default) keeps `momentum`.
        **kwargs: `views` (default: `keras_ssl.views.ressl()`; the second is the teacher's), `preprocessing`, `seed`,
            `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if a temperature is not positive, a momentum lies outside [0, 1], or the queue is too small.

    Example:

    ```python
    model = keras_ssl.ReSSL(keras_ssl.encoders.ConvNet(), projector=(128, 64), queue_size=4096, momentum=0.97)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Zheng et al., "ReSSL: Relational Self-Supervised Learning with Weak Augmentation", NeurIPS 2021.
    """

    queue: FeatureQueue
    stored_as: ClassVar[dict[str, str]] = {"queue_size": "queue.size"}

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (4096, 512),
        batch_norm: bool = True,
        output_norm: bool = False,
        queue_size: int = 131072,
        temperature: float = 0.1,
        teacher_temperature: float = 0.04,
        momentum: float = 0.999,
        final_momentum: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.add_projector(
            projector, batch_norm=batch_norm, output_bias=not output_norm, output_norm="plain" if output_norm else None
        )
        self.add_teacher(momentum, final_momentum)
        self.add_queue(queue_size)
        self.batch_norm = batch_norm
        self.output_norm = output_norm
        self.temperature = check_positive("temperature", temperature)
        self.teacher_temperature = check_positive("teacher_temperature", teacher_temperature)

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.ressl()

    @property
    def compares_samples(self) -> bool:
        return False

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        strong, weak = self.used_views(batch, step)
        (student,), (teacher,) = self.project([strong], step.training), self.teach([weak], step.training)
        return {"s1": student, "t2": l2_normalize(teacher)}

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        student, teacher = embeddings["s1"], embeddings["t2"]
        how = (self.temperature, self.teacher_temperature)
        return ressl_loss(student, teacher, self.queue.contents, *how, unit_bank=True), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """Cross-entropy of two distributions over the K embeddings of the queue, the student's at temperature T.

        - at chance `log K + log E exp(cos / T)`: the two relate to nothing in common;
        - collapsed `log K`, once the queue holds nothing else;
        - never below `log(1 + (K - 1) exp(-2 / T))`: the least that any one entry costs.
        """
        size = self.queue.size
        return ExpectedLoss(
            initial=math.log(size) + log_mean_exp(self.embedding_dim, 1.0 / self.temperature),
            collapsed=math.log(size),
            floor=lowest_cross_entropy(size - 1, self.temperature),
        )

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        self.queue.enqueue(embeddings["t2"], updated)
        return super().after_step(embeddings, updated, step)
