"""Metrix."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl import views as view_ops
from keras_ssl.losses.metric.checks import check_weight
from keras_ssl.losses.metric.metrix_loss import PAIRS, metrix_loss
from keras_ssl.losses.metric.pair_loss import base_settings
from keras_ssl.losses.numeric import check_integer, l2_normalize
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.registry import register
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor

LEVELS = ("embedding", "feature", "input")


@register("objective", family="labels", paper="https://arxiv.org/abs/2106.04990")
class Metrix(JointEmbedding):
    """Metrix: metric learning with mixup of inputs, features or embeddings.

    One view of each sample is embedded, and trained by a loss of metric learning on class labels, plus `weight` times
    the same loss of mixed samples: each sample is mixed with another of the global batch in random order, the share c
    of the first drawn from Beta(concentration, concentration), and the pair of an anchor and a mixed sample has the
    label between 0 and 1 that its parts give. See `keras_ssl.losses.metrix_loss`. With weight 0 it is the base loss,
    at the cost of that. Samples with the label -1 are left out. Logged: `loss`, `clean` (the base loss),
    `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes, for the base "proxy_anchor" alone. Defaults to None.
        projector: widths of the projector. Defaults to `(512,)`: one linear layer, the embedding.
        base: "multi_similarity" (default), "contrastive" or "proxy_anchor".
        base_options: options of the base loss, as for `keras_ssl.losses.pair_loss`. Defaults to None: its defaults.
        weight: of the mixed loss, not negative. Defaults to 0.4, the paper's.
        level: what is mixed: "embedding" (default), normalized to unit length before; "feature", the encoder's
            output; or "input", which costs a second pass of the encoder.
        pairs: "positive_negative" (default): an anchor sees mixtures of which exactly one part has its class; or
            "all".
        concentration: of the Beta distribution, a positive integer. Defaults to 2, the paper's; 1 is uniform.
        **kwargs: `views` (default: a crop and a flip; one view of each sample is used), `preprocessing`, `seed`,
            `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if a value is out of range, `classes` is missing for "proxy_anchor" or given to another base.

    Example:

    ```python
    model = keras_ssl.Metrix(keras_ssl.encoders.ConvNet(), projector=(64,), base="proxy_anchor", classes=10)
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Venkataramanan et al., "It Takes Two to Tango: Mixup for Deep Metric Learning", ICLR 2022.
    """

    fields: ClassVar[dict[str, Field]] = {"y": Field("int32")}
    without_labels: ClassVar[str | None] = "SimCLR"
    view_count: ClassVar[int] = 1
    tiny: ClassVar[dict[str, Any] | None] = {
        "projector": (12,),
        "base": "proxy_anchor",
        "classes": 4,
        "base_options": {"scale": 4.0},
    }

    def __init__(
        self,
        encoder: keras.Model,
        classes: int | None = None,
        projector: Sequence[int] = (512,),
        base: str = "multi_similarity",
        base_options: dict[str, float] | None = None,
        weight: float = 0.4,
        level: str = "embedding",
        pairs: str = "positive_negative",
        concentration: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.base_options: dict[str, Any] = dict(base_options or {})
        base_settings(base, self.base_options)
        self.base = base
        if (classes is not None) != (base == "proxy_anchor"):
            raise ValueError(f"`classes` belong to the base 'proxy_anchor'. Received: classes={classes}, base={base!r}")
        if level not in LEVELS:
            raise ValueError(f"`level` must be one of {LEVELS}. Received: level={level!r}")
        if pairs not in PAIRS:
            raise ValueError(f"`pairs` must be one of {PAIRS}. Received: pairs={pairs!r}")
        self.level, self.pairs = level, pairs
        self.weight = check_weight("weight", weight)
        self.concentration = check_integer("concentration", concentration, 1)
        self.add_projector(projector)
        self.classes = None if classes is None else check_integer("classes", classes, 2)
        self.proxies: Any = None
        if self.classes is not None:
            self.proxies = self.add_weight(
                name="proxies",
                shape=(self.classes, self.embedding_dim),
                initializer=keras.initializers.RandomNormal(stddev=self.embedding_dim**-0.5),
                dtype="float32",
            )

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.MultiView(
            [view_ops.Compose([view_ops.RandomResizedCrop(scale=(0.2, 1.0)), view_ops.RandomFlip(0.5)])]
        )

    def check_batch(self, batch: dict[str, Any]) -> None:
        super().check_batch(batch)
        labels = np.asarray(keras.ops.convert_to_numpy(batch["y"])).reshape(-1)
        if self.classes is not None and (labels >= self.classes).any():
            sample = int((labels >= self.classes).argmax())
            raise ValueError(
                f"Labels must be below `classes` = {self.classes}. Received: y={labels[sample]} in sample {sample}"
            )

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops = keras.ops
        view = self.used_views(batch, step)[0]
        features = self.encoder(view, training=step.training)
        found = {"z1": self.projector(features, training=step.training), **self.passed_on(batch)}
        if not self.weight:
            return found
        draws = ops.sort(step.stream().uniform(shape=(2 * self.concentration - 1,)), axis=1)
        share = found["share"] = draws[:, self.concentration - 1]
        if self.level == "input":
            partner = self.shuffled(view, step)
            mixed = self.encoder(_mixture(share, view, partner), training=step.training)
            found["mixed"] = self.projector(mixed, training=step.training)
        elif self.level == "feature":
            found["mixed"] = self.projector(
                _mixture(share, features, self._partners(features, step)), training=step.training
            )
        return found

    def _partners(self, rows: Tensor, step: Step) -> Tensor:
        """As `shuffled`, with a gradient."""
        ops = keras.ops
        everything = self.backend.gather({"rows": rows})["rows"]
        count = everything.shape[0] or ops.shape(everything)[0]
        places = ops.take(step.order(count), step.position)
        # A matrix of zeros and ones: TensorFlow's gradient of a gather takes no sparse one.
        chosen = ops.equal(places[:, None], ops.arange(count, dtype="int32")[None, :])
        return ops.matmul(ops.cast(chosen, everything.dtype), everything)

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops = keras.ops
        z, labels = embeddings["z1"], embeddings["y"]
        proxies = None if self.proxies is None else ops.convert_to_tensor(self.proxies)
        clean = metrix_loss(z, labels, base=self.base, proxies=proxies, **self.base_options)
        if not self.weight:
            return clean, {"clean": clean}
        order, share = step.order(ops.shape(z)[0]), embeddings["share"]
        if self.level == "embedding":
            unit = l2_normalize(z)
            mixed = _mixture(share, unit, ops.take(unit, order, axis=0))
        else:
            mixed = embeddings["mixed"]
        loss = metrix_loss(
            z,
            labels,
            mixed,
            ops.take(labels, order),
            share,
            self.weight,
            self.base,
            proxies,
            self.pairs,
            **self.base_options,
        )
        return loss, {"clean": clean}


def _mixture(share: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """`share * first + (1 - share) * second`, a share for each row, in the type of `first`."""
    share = keras.ops.reshape(share, (-1, *[1] * (len(first.shape) - 1)))
    mixed = share * keras.ops.cast(first, "float32") + (1.0 - share) * keras.ops.cast(second, "float32")
    return keras.ops.cast(mixed, first.dtype)
