"""Identity-guided self-distillation."""

from typing import Any, ClassVar

import keras

from keras_ssl.losses.dino_loss import teacher_distributions
from keras_ssl.losses.metric.identity_distillation_loss import identity_distillation_loss
from keras_ssl.objectives.self_distillation.dino import DINO
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/2409.18569")
class IdentityGuidedSelfDistillation(DINO):
    r"""DINO whose student also predicts the teacher's distribution of other images of the same identity.

    `y` is the identity of an image (a person, tracked or recognized across videos); -1 is an image of no known
    identity. An identity with n images in the global batch has the loss
    `(mean_i H(i, i) + sum_{i != j} H(i, j)) / (n (n - 1) + 1)`, H the cross-entropy of the teacher's distribution of
    one image and the student's of another: see `keras_ssl.losses.identity_distillation_loss`. The loss is the mean over
    the identities. With one image for each identity this is `DINO`.

    So batches should hold several images of an identity: `keras_ssl.data.identity_batches` makes such, and can let
    their number grow from epoch to epoch, as the authors do (2, 4, 6, 8). `keras_ssl.data.correlate_identities` finds
    identities from tracks. All pairs of images in a batch are compared, at a cost of N^2 K.

    Logged: as for `DINO`.

    Args:
        encoder, projector, out_dim, global_crops, ...: as for `DINO`.
        **kwargs: as for `DINO`.

    Raises:
        ValueError: as for `DINO`.

    Example:

    ```python
    model = keras_ssl.IdentityGuidedSelfDistillation(
        keras_ssl.encoders.ConvNet(), projector=(128, 64), out_dim=256, freeze_steps=0, momentum=0.98
    )
    model.compile("adam")
    model.fit(keras_ssl.data.identity_batches(images, identities, batch_size=128, images=4), epochs=10)
    ```

    Reference:
        Zuo et al., "Cross-video Identity Correlating for Person Re-identification Pre-training", NeurIPS 2024.
    """

    fields: ClassVar[dict[str, Field]] = {"y": Field("int32", missing=-1)}
    tiny: ClassVar[dict[str, Any] | None] = {
        "projector": (24, 12),
        "out_dim": 10,
        "freeze_steps": 2,
        "warmup_steps": 3,
        "momentum": 0.9,
    }

    @property
    def compares_samples(self) -> bool:
        return True

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """Unknown: the share of pairs of one identity depends on the data."""
        return ExpectedLoss()

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        return super().embed(batch, step) | self.passed_on(batch)

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        students = [view for name, view in embeddings.items() if name.startswith("s")]
        teachers = [embeddings[f"t{number}"] for number in range(1, self.global_crops + 1)]
        temperature, center = self._temperature(step), self.centering.center
        loss = identity_distillation_loss(
            students,
            teachers,
            embeddings["y"],
            self.student_temperature,
            temperature,
            center,
            self.sinkhorn_iterations,
        )
        first = teacher_distributions(teachers[:1], temperature, center, self.sinkhorn_iterations)[0]
        entropy = -keras.ops.mean(keras.ops.sum(first * keras.ops.log(first + 1e-12), axis=1))
        return loss, {"teacher_entropy": entropy, "teacher_temperature": temperature}
