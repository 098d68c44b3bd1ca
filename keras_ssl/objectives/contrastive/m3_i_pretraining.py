"""M3I pretraining."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.losses.numeric import check_integer, check_positive, l2_normalize
from keras_ssl.losses.target_code_loss import target_code_loss
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.registry import register
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2211.09807")
class M3IPretraining(JointEmbedding):
    r"""M3I: from a mixture of two images, find the codes of another view, of the class and of a text of each.

    Every target t adds `weight_t * -log P(code of t | input)`, with P the softmax over all codes of that kind, which is
    what maximizes the mutual information of input and target:

    - "view": the code of the image's second view, among those of the global batch; `P ~ exp(cosine / T)`;
    - "class": the code of its class, among the rows of a linear layer on the features; `P ~ exp(score)`. Unlabeled
      samples (-1) do not count;
    - "text": the code of its text, a linear map of a given embedding, among those of the global batch, as for views.

    The input is the first view, mixed with that of a random other image of the global batch, `a x_i + (1 - a) x_j`, a
    uniform in [1 - mix, 1] for each sample; the targets of both images count, by a and 1 - a (`target_code_loss`).
    Spread of codes, the second part of the mutual information, comes from the softmax. Without mixing, the view alone
    is InfoNCE, and the class alone the cross-entropy of a classifier.

    Logged: `loss`, `view`, `class`, `text` (chance values `log N`, `log classes`, `log N`), `embedding_std`.

    The paper's way of mixing, and its momentum encoder of targets, were not to be had: here pixels are mixed, and the
    gradient goes through the codes of both views.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes; None (default) for no class target.
        text_width: width of the text embeddings, a batch's `text` `[N, text_width]`; None (default) for no text target.
        view_weight: not negative; 0 for no view target. Defaults to 1.
        class_weight: not negative. Defaults to 1.
        text_weight: not negative. Defaults to 1.
        mix: how much of another image there may be, in [0, 1]. Defaults to 0.5; 0 is no mixing.
        projector: widths of the projector. Defaults to `(2048, 128)`.
        temperature: T > 0. Defaults to 0.1.
        **kwargs: `views` (default: `keras_ssl.views.simclr()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if an argument is out of range or there is no target; from `fit`, if a label is no class.

    Example:

    ```python
    model = keras_ssl.M3IPretraining(keras_ssl.encoders.ConvNet(), classes=10, projector=(256, 64))
    model.compile("adam")
    model.fit(images, labels, epochs=10)  # labels: class numbers, -1 where there is none
    ```

    Reference:
        Su et al., "Towards All-in-one Pre-training via Maximizing Multi-modal Mutual Information", CVPR 2023.
    """

    monitor: ClassVar[str | None] = "z1"
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "projector": (24, 12)}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int | None = None,
        text_width: int | None = None,
        view_weight: float = 1.0,
        class_weight: float = 1.0,
        text_weight: float = 1.0,
        mix: float = 0.5,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.view_weight = check_number("view_weight", view_weight, 0.0)
        self.class_weight = check_number("class_weight", class_weight, 0.0)
        self.text_weight = check_number("text_weight", text_weight, 0.0)
        self.mix = check_number("mix", mix, 0.0, 1.0)
        self.temperature = check_positive("temperature", temperature)
        self.classes = None if classes is None else check_integer("classes", classes, 2)
        self.text_width = None if text_width is None else check_integer("text_width", text_width, 1)
        self._targets = {
            "view": self.view_weight,
            "class": self.class_weight if self.classes is not None else 0.0,
            "text": self.text_weight if self.text_width is not None else 0.0,
        }
        if not any(self._targets.values()):
            raise ValueError(
                "There must be a target with a weight greater than 0. "
                f"Received: view_weight={view_weight}, classes={classes}, text_width={text_width}"
            )
        self.add_projector(projector)
        self.projector.trainable = bool(self._targets["view"] or self._targets["text"])
        if self.classes is not None:
            self.class_codes = keras.layers.Dense(self.classes, name="class_codes")
            self.class_codes.build((None, self.feature_dim))
            self.class_codes.trainable = bool(self.class_weight)
        if self.text_width is not None:
            self.text_codes = keras.layers.Dense(self.embedding_dim, name="text_codes")
            self.text_codes.build((None, self.text_width))
            self.text_codes.trainable = bool(self.text_weight)

    @property
    def batch_fields(self) -> Mapping[str, Field]:
        fields: dict[str, Field] = {}
        if self.classes is not None:
            fields["y"] = Field("int32", missing=-1)
        if self.text_width is not None:
            fields["text"] = Field("float32", (self.text_width,))
        return fields

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.simclr()

    def check_batch(self, batch: dict[str, Any]) -> None:
        super().check_batch(batch)
        if self.classes is not None and batch.get("y") is not None:
            labels = np.asarray(keras.ops.convert_to_numpy(batch["y"]))
            wrong = (labels < -1) | (labels >= self.classes)
            if wrong.any():
                raise ValueError(
                    f"Labels must be class numbers from 0 to {self.classes - 1}, or -1 for an unlabeled sample. "
                    f"Received: y={labels[wrong][0]}"
                )

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, views = keras.ops, self.used_views(batch, step)
        x = views[0]
        made: dict[str, Tensor] = {}
        if self.mix:
            share = 1.0 - self.mix * step.stream().uniform()
            first, partner = (ops.cast(part, "float32") for part in (x, self.shuffled(x, step)))
            a = ops.reshape(share, (-1, *[1] * (len(x.shape) - 1)))
            x, made["share"] = ops.cast(a * first + (1.0 - a) * partner, x.dtype), share
        features = self.encoder(x, training=step.training)
        made["z1"] = self.projector(features, training=step.training)
        if self._targets["view"]:
            made["z2"] = self.projector(self.encoder(views[1], training=step.training), training=step.training)
        if self._targets["class"]:
            made |= {"scores": self.class_codes(features), "y": batch["y"]}
        if self._targets["text"]:
            made["text"] = self.text_codes(batch["text"])
        return made

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops, query = keras.ops, l2_normalize(embeddings["z1"])
        count = ops.shape(query)[0]
        share = embeddings.get("share")
        partner = None if share is None else step.order(count)  # that of `shuffled`, for the global batch
        loss: Tensor = ops.zeros((), "float32")
        logs: Logs = {}
        for name, weight in self._targets.items():
            if not weight:
                continue
            if name == "class":
                logits, targets = embeddings["scores"], embeddings["y"]
            else:
                codes = l2_normalize(embeddings["z2" if name == "view" else "text"])
                logits = ops.matmul(query, ops.transpose(codes)) / self.temperature
                targets = ops.arange(count, dtype="int32")
            logs[name] = target_code_loss(logits, targets, partner, share)
            loss = loss + weight * logs[name]
        return loss, logs
