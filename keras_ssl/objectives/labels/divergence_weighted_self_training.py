"""DivergenceWeightedSelfTraining."""

from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.losses.numeric import as_float
from keras_ssl.losses.semi_supervised.divergence_weight import divergence_weight
from keras_ssl.objectives.labels.semi_supervised import TeacherClassifier, supervised_terms
from keras_ssl.registry import register
from keras_ssl.training.labelled_model import accuracy_term
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/2203.08344")
class DivergenceWeightedSelfTraining(TeacherClassifier):
    """Self-training with two teachers: the more they differ about a sample, the less it counts.

    `CE(y, p(weak))`, mean over the labeled samples (of the source domain), plus `unlabeled_weight` times the mean over
    the unlabeled ones (of the target domain) of `w CE(t, p(strong))`. Two teachers predict `t1` and `t2` for the weak
    view, `t` is the mean of both as probabilities, and `w = exp(-sharpness * (KL(t1, t2) + KL(t2, t1)))`: see
    `keras_ssl.losses.divergence_weight`. Of equal teachers every weight is 1 and the loss is ordinary consistency.

    The paper says that two teachers label the target domain, that their divergence gives the weight, and that they
    learn from the student; the exact weight and the teachers' update were not to be had. Here both teachers are
    averages of the student's weights, one that follows closely (`second_momentum`) and one that follows slowly
    (`momentum`), and neither gets a gradient. So the weight is low where the student has changed its mind of late. For
    dense outputs take the function `divergence_weight`: it weighs every pixel.

    Logged: `loss`, `supervised`, `unsupervised`, `accuracy` of the labeled samples, `trust`: the mean weight of
    unlabeled samples, `precision`: the accuracy of the slow teacher on labeled samples, `momentum`. A batch mixes
    labeled samples and unlabeled ones, whose label is -1, as for `FixMatch`. Predictions are the student's;
    `teacher_logits` gives those of the slow teacher.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        classes: number of classes.
        sharpness: how fast the weight falls with the divergence, at least 0. Defaults to 1; with 0 all weights are 1.
        momentum: of the slow teacher, in [0, 1]. Defaults to 0.999; short runs want less.
        second_momentum: of the fast teacher, in [0, 1]. Defaults to 0.99.
        final_momentum: of the slow teacher at the planned end, along a cosine. Defaults to None: `momentum`.
        unlabeled_weight: weight of the unlabeled samples, not negative. Defaults to 1.
        **kwargs: `views` (default: as for `FixMatch`), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range or the encoder cannot be copied.

    Example:

    ```python
    model = keras_ssl.DivergenceWeightedSelfTraining(
        keras_ssl.encoders.ConvNet(), classes=10, momentum=0.98, second_momentum=0.8
    )
    model.compile("adam")
    model.fit(data, epochs=10)  # of `keras_ssl.data.from_streams`: source with labels, target without
    ```

    Reference:
        Ohkawa et al., "Domain Adaptive Hand Keypoint and Pixel Localization in the Wild", ECCV 2022.
    """

    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "momentum": 0.9, "second_momentum": 0.5}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        sharpness: float = 1.0,
        momentum: float = 0.999,
        second_momentum: float = 0.99,
        final_momentum: float | None = None,
        unlabeled_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, classes, unlabeled_weight=unlabeled_weight, **kwargs)
        self.sharpness = check_number("sharpness", sharpness, 0.0)
        self.second_momentum = check_number("second_momentum", second_momentum, 0.0, 1.0)
        self.add_teacher(momentum, final_momentum)
        self.second_teacher = EMATeacher(self.student, self.second_momentum, name="second_teacher")

    def before_first_step(self) -> None:
        super().before_first_step()
        self.second_teacher.begin(self.student)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        views = self.make_views(batch, step)[:2]
        weak, strong = self.encode(views, step.training)
        return {
            "features": keras.ops.stop_gradient(weak),
            "weak": self.classify(weak),
            "strong": self.classify(strong),
            "teacher": self.teacher(views[0], training=step.training),
            "second": self.second_teacher(views[0], training=step.training),
            "y": batch["y"],
        }

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        ops, labels = keras.ops, embeddings["y"]
        first, second = as_float(embeddings["teacher"]), as_float(embeddings["second"])
        trust = divergence_weight(first, second, self.sharpness)
        target = ops.stop_gradient(0.5 * (ops.softmax(first, axis=1) + ops.softmax(second, axis=1)))
        losses = -ops.sum(target * ops.log_softmax(as_float(embeddings["strong"]), axis=1), axis=1)
        unlabeled = ops.cast(ops.equal(ops.cast(labels, "int32"), -1), "float32")
        return {
            **supervised_terms(embeddings["weak"], labels),
            "unsupervised": Term(trust * losses, unlabeled, self.unlabeled_weight),
            "trust": Term(trust, unlabeled, 0.0),
            "precision": accuracy_term(first, labels),
        }

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs | None:
        self.second_teacher.update(self.student, step.updates, step.total_updates, updated)
        return super().after_step(embeddings, updated, step)
