"""Distillation from a random teacher."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl import views as view_ops
from keras_ssl.losses.distillation_loss import distillation_loss
from keras_ssl.losses.numeric import check_positive
from keras_ssl.objectives.joint_embedding import TeacherStudent
from keras_ssl.random import permutation
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="self_distillation", paper="https://arxiv.org/abs/2302.12091")
class RandomTeacherDistillation(TeacherStudent):
    """Distil a student into a teacher that was never trained, and look at what the student has learned on the way.

    The teacher is a frozen copy of the encoder as it is given and of a new projector. The student starts at
    `((1 - a) teacher + a random) / sqrt((1 - a)^2 + a^2)`, with `a` the `distance`, weight by weight, and minimizes
    `KL(softmax(t) || softmax(s))` on the same images: no labels, and by default no augmentation. The encoder passed in
    is the student, so making the model changes its weights. With `distance=0` the student is the teacher: the loss and
    its gradient are zero.

    Views that give two images, such as `keras_ssl.views.simclr()`, show the first to the student and the second to the
    teacher. The student then has to tell from one what an untrained network makes of another, which leaves only what
    the views have in common: DINO's task with a teacher that stands still.

    `random` holds the teacher's own weights in random order (a function of `seed`): independent weights of the very
    same distribution, whatever the initializer. Biases and scales of norms, which start alike in every network, stay as
    they are. Both networks normalize by the batch; of the teacher only the moving statistics ever change.
    Logged: `loss` (at least 0), `embedding_std` (of the student's logits).

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        projector: widths of the projector; the last is the number of logits. Defaults to `(2048, 2048, 512)`.
        distance: a in [0, 1]: 0 starts at the teacher, 1 at a network of its own. Defaults to 0.01.
        temperature: T > 0 of both softmaxes. Defaults to 1, the paper's.
        **kwargs: `views` (default: `keras_ssl.views.Identity()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if `distance` lies outside [0, 1] or the temperature is not positive.

    Example:

    ```python
    model = keras_ssl.RandomTeacherDistillation(keras_ssl.encoders.ConvNet(), projector=(512,))
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Sarnthein et al., "Random Teachers are Good Teachers", ICML 2023.
    """

    view_count: ClassVar[int] = 1
    all_views: ClassVar[bool] = True
    fixed_teacher: ClassVar[bool] = True
    fixed_arguments: ClassVar[tuple[str, ...]] = ("momentum", "final_momentum")

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 2048, 512),
        distance: float = 0.01,
        temperature: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        if not 0 <= distance <= 1:
            raise ValueError(f"`distance` must lie in [0, 1]. Received: distance={distance}")
        self.add_projector(projector, output_bias=True)
        self.add_teacher(1.0, None)
        self.distance = distance
        self.temperature = check_positive("temperature", temperature)
        weights = [weight for module in self.student for weight in module.trainable_weights]
        for number, weight in enumerate(weights):
            weight.assign(_moved(keras.ops.convert_to_numpy(weight), distance, self.seed, number))

    def default_views(self) -> Callable[..., Any]:
        return view_ops.Identity()

    @property
    def compares_samples(self) -> bool:
        return False

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        views = self.used_views(batch, step)
        (student,), (teacher,) = self.project(views[:1], step.training), self.teach(views[-1:], step.training)
        return {"s1": student, "t1": teacher}

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        return distillation_loss(embeddings["s1"], embeddings["t1"], self.temperature), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """A divergence: never below 0.

        Nothing is told at chance, because the student starts near its teacher by design, and the logits have no fixed
        scale; nor at collapse, because the teacher stands still and does not collapse with the student.
        """
        return ExpectedLoss(floor=0.0)

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        return {}  # the teacher stands still


def _moved(weight: np.ndarray, distance: float, seed: int, number: int) -> np.ndarray:
    """`weight`, moved towards its own entries in random order, with its variance kept."""
    if weight.ndim < 2 or distance == 0:
        return weight
    other = weight.ravel()[permutation(weight.size, seed, number)].reshape(weight.shape)
    mixed = (1.0 - distance) * weight.astype("float64") + distance * other.astype("float64")
    return (mixed / np.hypot(1.0 - distance, distance)).astype(weight.dtype)
