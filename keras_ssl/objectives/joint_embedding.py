"""What the joint-embedding objectives share: an encoder and a projector, and where there is one, a teacher of both."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.layers.mlp_head import MLPHead
from keras_ssl.training import SSLModel
from keras_ssl.typing import Logs, Tensor


class JointEmbedding(SSLModel):
    """Encoder and projector on two views: `embed` gives `z1`, `z2` and the keys of the batch that are required.

    Args:
        encoder: a built `keras.Model` that maps a batch to features `[N, F]`.
        projector: widths of the projector.
        projector_options: arguments of its `MLPHead`.
        **kwargs: as for `SSLModel`.
    """

    one_pass: ClassVar[bool] = False
    """Whether both views pass the networks in one batch, sharing batch statistics, or (default) each in its own."""

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int],
        projector_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.projector = self.head("projector", projector, self.feature_dim, **(projector_options or {}))

    def head(self, name: str, widths: Sequence[int], input_width: int, **options: Any) -> MLPHead:
        """A built `MLPHead`."""
        head = MLPHead(widths, name=name, **options)
        head.build((None, input_width))
        return head

    def predictor_head(self, widths: Sequence[int], **options: Any) -> MLPHead:
        """A built predictor, from the projector's output to its like.

        Raises:
            ValueError: if it does not end in the projector's width.
        """
        if tuple(widths)[-1] != self.projector.widths[-1]:
            raise ValueError(
                "The predictor must end in the projector's width. "
                f"Received: projector={self.projector.widths}, predictor={tuple(widths)}"
            )
        return self.head("predictor", widths, self.projector.widths[-1], **options)

    def project(self, views: Sequence[Tensor], training: bool) -> list[Tensor]:
        """The projections of views, each `[N, D]`."""
        if self.one_pass:
            features = self.encoder(keras.ops.concatenate(views, axis=0), training=training)
            return list(keras.ops.split(self.projector(features, training=training), len(views), axis=0))
        return [self.projector(self.encoder(view, training=training), training=training) for view in views]

    def embed(self, batch: dict[str, Tensor], training: bool) -> dict[str, Tensor]:
        z1, z2 = self.project(self.make_views(batch)[:2], training)
        return {"z1": z1, "z2": z2, **{key: batch[key] for key in self.required_keys}}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "projector": list(self.projector.widths)}


class TeacherStudent(JointEmbedding):
    """A joint embedding whose encoder and projector are followed by a momentum teacher, `self.teacher(view)`.

    Args:
        momentum: of the teacher, at the start, in [0, 1].
        final_momentum: at the planned end, along a cosine; None keeps `momentum`.

    The others as for `JointEmbedding`. Logged: `momentum`.
    """

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int],
        momentum: float,
        final_momentum: float | None,
        projector_options: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, projector, projector_options, **kwargs)
        self.teacher = EMATeacher(self.student, momentum, final_momentum, name="teacher")

    @property
    def student(self) -> list[keras.layers.Layer]:
        """What the teacher follows."""
        return [self.encoder, self.projector]

    def teach(self, views: Sequence[Tensor], training: bool) -> list[Tensor]:
        """The teacher's projections of views, each `[N, D]`, without gradient."""
        return [self.teacher(view, training=training) for view in views]

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor) -> Logs:
        return {"momentum": self.teacher.update(self.student, self.updates - 1, self.total_updates, updated)}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "momentum": self.teacher.momentum,
            "final_momentum": self.teacher.final_momentum,
        }
