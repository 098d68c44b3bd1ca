"""What the joint-embedding objectives share: an encoder and a projector, and where there is one, a teacher of both."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, ClassVar

import keras

from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.layers.feature_queue import FeatureQueue
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.training import SSLModel
from keras_ssl.training.joined_views import join_views, part_views
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


class JointEmbedding(SSLModel):
    """Encoder and projector on several views: `embed` gives `z1`, `z2` ... and the fields that the objective reads.

    A subclass calls `add_projector` in its `__init__`, and `add_predictor` where it has one.

    Args:
        encoder: a built `keras.Model` that maps a batch to features `[N, F]`.
        **kwargs: as for `SSLModel`.
    """

    one_pass: ClassVar[bool] = False
    """Whether views of one size pass the networks in one batch, sharing batch statistics, or (default) each in its
    own."""

    all_views: ClassVar[bool] = False
    """Whether the objective takes every view that it is given, or (default) the first `view_count`."""

    projector: MLPHead
    predictor: Any = None
    queue: FeatureQueue | None = None
    stored_as: ClassVar[dict[str, str]] = {"projector": "projector.widths"}

    def add_projector(self, widths: Sequence[int], **options: Any) -> None:
        """Makes `self.projector`, on the encoder's features; `options` are those of `MLPHead`."""
        self.projector = self.head("projector", widths, self.feature_dim, **options)

    def add_predictor(self, widths: Sequence[int], **options: Any) -> None:
        """Makes `self.predictor`, from the projector's output to its like.

        Raises:
            ValueError: if it does not end in the projector's width.
        """
        if tuple(widths)[-1] != self.projector.widths[-1]:
            raise ValueError(
                "The predictor must end in the projector's width. "
                f"Received: projector={self.projector.widths}, predictor={tuple(widths)}"
            )
        self.predictor = self.head("predictor", widths, self.projector.widths[-1], **options)

    def add_queue(self, size: int) -> None:
        """Makes `self.queue`, for `size` embeddings as wide as the projector's."""
        self.queue = FeatureQueue(size, self.embedding_dim, self.seed, name="queue")

    def check_batch_size(self, batch_size: int) -> None:
        super().check_batch_size(batch_size)
        if self.queue is not None:
            self.queue.check_batch_size(batch_size)

    def head(self, name: str, widths: Sequence[int], input_width: int, **options: Any) -> MLPHead:
        """A built `MLPHead`."""
        head = MLPHead(widths, name=name, **options)
        head.build((None, input_width))
        return head

    @property
    def embedding_dim(self) -> int:
        """Width of the projector's output."""
        return int(self.projector.widths[-1])

    @property
    def number_of_views(self) -> int:
        """How many views the objective takes; of views that do not tell how many they make, `view_count`."""
        views: Any = self.views
        tells = self.all_views and getattr(views, "makes_list", False)
        return max(len(views), self.view_count) if tells else self.view_count

    def used_views(self, batch: dict[str, Tensor], step: Step) -> list[Tensor]:
        """The views of a batch that the objective takes, preprocessed."""
        views = self.make_views(batch, step)
        return views if self.all_views else views[: self.view_count]

    def project(self, views: Sequence[Tensor], training: bool) -> list[Tensor]:
        """The projections of views, each `[N, D]`."""
        if not self.one_pass:
            return [self.projector(self.encoder(view, training=training), training=training) for view in views]
        sizes = groupby(views, key=lambda view: tuple(view.shape[1:]))
        features: list[Tensor] = []
        for _, group in sizes:
            of_one_size = list(group)
            features += part_views(self.encoder(join_views(of_one_size), training=training), len(of_one_size))
        return part_views(self.projector(join_views(features), training=training), len(views))

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        projections = self.project(self.used_views(batch, step), step.training)
        return {f"z{number}": z for number, z in enumerate(projections, start=1)} | self.passed_on(batch)

    def passed_on(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """The fields of the batch that the objective reads besides `x`."""
        return {name: batch[name] for name in self.batch_fields if name in batch}


class TeacherStudent(JointEmbedding):
    """A joint embedding whose encoder and projector are followed by a momentum teacher, `self.teacher(view)`.

    A subclass calls `add_teacher` in its `__init__`, once its heads are made. Logged: `momentum`.
    """

    teacher: EMATeacher
    stored_as: ClassVar[dict[str, str]] = {"momentum": "teacher.momentum", "final_momentum": "teacher.final_momentum"}

    def add_teacher(self, momentum: float, final_momentum: float | None) -> None:
        """Makes `self.teacher`, a copy of `self.student`.

        Args:
            momentum: at the start, in [0, 1].
            final_momentum: at the planned end, along a cosine; None keeps `momentum`.
        """
        self.teacher = EMATeacher(self.student, momentum, final_momentum, name="teacher")

    def before_first_step(self) -> None:
        teacher = getattr(self, "teacher", None)
        if teacher is not None and not self.fixed_teacher:
            teacher.begin(self.student)

    @property
    def student(self) -> list[keras.layers.Layer]:
        """What the teacher follows."""
        return [self.encoder, self.projector]

    def teach(self, views: Sequence[Tensor], training: bool) -> list[Tensor]:
        """The teacher's projections of views of one size, each `[N, D]`, without gradient."""
        if self.one_pass:
            return part_views(self.teacher(join_views(views), training=training), len(views))
        return [self.teacher(view, training=training) for view in views]

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        return {"momentum": self.teacher.update(self.student, step.updates, step.total_updates, updated)}


def check_crops(views: Sequence[Tensor], global_crops: int) -> None:
    """Raises a `ValueError` where there are fewer views than global crops, which come first among them."""
    if len(views) < global_crops:
        raise ValueError(
            "There must be at least as many views as global crops. "
            f"Received: global_crops={global_crops}, {len(views)} views"
        )
