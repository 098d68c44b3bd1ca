"""MeanTeacher."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.losses.numeric import check_integer
from keras_ssl.losses.semi_supervised.mean_teacher_loss import mean_teacher_loss
from keras_ssl.objectives.labels.semi_supervised import TeacherClassifier, supervised_terms
from keras_ssl.registry import register
from keras_ssl.schedules.ramp_up import ramp_up
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/1703.01780")
class MeanTeacher(TeacherClassifier):
    """Mean Teacher: the predictions for a sample agree with those of an average of the model's past weights.

    `CE(y, p(view 1))`, mean over the labeled samples, plus `unlabeled_weight * r` times the mean over all samples,
    labeled ones too, of the squared difference between the student's class probabilities for view 1 and the teacher's
    for view 2, a mean over classes. The factor r is `exp(-5 (1 - t)^2)` with t rising from 0 to 1 over the first
    `warmup_steps` updates. The teacher, an exponential moving average of encoder and head, gets no gradient; its batch
    norms use the batch. Logged: `loss`, `supervised`, `consistency`, `accuracy` of the labeled samples, `momentum`.

    A batch mixes labeled samples and unlabeled ones, whose label is -1, as for `FixMatch`. Predictions are the
    student's; `teacher_logits` gives the teacher's, which the authors prefer.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        classes: number of classes.
        momentum: of the teacher, in [0, 1]. Defaults to 0.999, the paper's; short runs want less. The authors' code
            begins with `1 - 1 / (t + 1)` after update t, until that reaches it.
        final_momentum: at the planned end, along a cosine. Defaults to None: `momentum`.
        warmup_steps: number of updates in which the weight rises. Defaults to 0: it is whole from the start; the
            authors take 40000 of 150000.
        unlabeled_weight: weight of the consistency after the rise, not negative. Defaults to 100, the paper's.
        **kwargs: `views` (default: a crop and flip, twice), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if an argument is out of range or the encoder cannot be copied.

    Example:

    ```python
    model = keras_ssl.MeanTeacher(keras_ssl.encoders.ConvNet(), classes=10, momentum=0.98)
    model.compile("adam")
    model.fit(data, epochs=10)  # of `keras_ssl.data.from_streams`
    ```

    Reference:
        Tarvainen and Valpola, "Mean teachers are better role models: Weight-averaged consistency targets improve
        semi-supervised deep learning results", NeurIPS 2017.
    """

    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "momentum": 0.9, "unlabeled_weight": 1.0}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        momentum: float = 0.999,
        final_momentum: float | None = None,
        warmup_steps: int = 0,
        unlabeled_weight: float = 100.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, unlabeled_weight=unlabeled_weight, **kwargs)
        self.add_teacher(momentum, final_momentum)
        self.warmup_steps = check_integer("warmup_steps", warmup_steps, 0)

    def default_views(self) -> Callable[..., list[Tensor]]:
        weak = view_ops.Compose([view_ops.RandomResizedCrop(scale=(0.8, 1.0)), view_ops.RandomFlip(0.5)])
        return view_ops.MultiView([weak, weak])

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        first, second = self.make_views(batch, step)[:2]
        features = self.encoder(first, training=step.training)
        return {
            "features": keras.ops.stop_gradient(features),
            "logits": self.classify(features),
            "teacher": self.teacher(second, training=step.training),
            "y": batch["y"],
        }

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        weight = self.unlabeled_weight
        if self.warmup_steps:
            weight = weight * ramp_up(step.updates, self.warmup_steps, "sigmoid")
        return {
            **supervised_terms(embeddings["logits"], embeddings["y"]),
            "consistency": Term(mean_teacher_loss(embeddings["logits"], embeddings["teacher"]), None, weight),
        }
