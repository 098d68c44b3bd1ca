"""SupReMix."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.losses.metric.checks import check_finite_positive
from keras_ssl.losses.metric.sup_re_mix_loss import sup_re_mix_loss
from keras_ssl.objectives.contrastive.simclr import SimCLR
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor

_DRAWS, _RANK = 9, 1  # the second smallest of nine uniform numbers is distributed as Beta(2, 8)


@register("objective", family="labels", paper="https://arxiv.org/abs/2309.16633")
class SupReMix(SimCLR):
    """SupReMix: supervised contrastive learning for numbers as labels, with hard pairs that are mixtures.

    `y` is a number for each sample. Anchors are contrasted with all other views, with mixtures of the anchor and a
    sample of another label (hard negatives), and with mixtures of two samples whose labels mix to the anchor's (hard
    positives); candidates of far labels weigh more. See `keras_ssl.losses.sup_re_mix_loss` for the formula and for what
    is chosen in it. The anchor's share in its hard negatives is drawn from Beta(2, 8), one number for each anchor.
    Without mixtures and weights it is `SupCon` on equal numbers. Logged: `loss`, `embedding_std`.

    Time and memory of the hard positives grow as the third power of the batch: keep batches to about 64 samples.

    Args:
        encoder: a built `keras.Model` that maps inputs to features `[N, F]`.
        projector: widths of the projector. Defaults to `(2048, 128)`.
        temperature: T > 0. Defaults to 0.1.
        batch_norm: batch norm in the projector, as for `SimCLR`. Defaults to True.
        negative_mixes: whether there are hard negatives. Defaults to True.
        positive_mixes: whether there are hard positives. Defaults to True.
        window: the largest distance between the anchor's label and those of the two samples that are mixed to a hard
            positive, in units of the label. Defaults to None: no limit.
        weighted: whether candidates weigh more, the farther their label. Defaults to True.
        **kwargs: `views` (default: `keras_ssl.views.simclr()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if a value is out of range; from `fit`, if the batches have no labels `y`.

    Example:

    ```python
    model = keras_ssl.SupReMix(keras_ssl.encoders.ConvNet(), projector=(256, 64))
    model.compile("adam")
    model.fit(images, ages, epochs=10, batch_size=64)
    ```

    Reference:
        Wu et al., "Mixup Your Own Pairs", 2023.
    """

    fields: ClassVar[dict[str, Field]] = {"y": Field("float32")}
    tiny: ClassVar[dict[str, Any] | None] = {"projector": (24, 12)}

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        batch_norm: bool = True,
        negative_mixes: bool = True,
        positive_mixes: bool = True,
        window: float | None = None,
        weighted: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, projector, temperature, batch_norm, **kwargs)
        check_finite_positive("temperature", temperature)
        self.negative_mixes = bool(negative_mixes)
        self.positive_mixes = bool(positive_mixes)
        self.window = None if window is None else check_finite_positive("window", window)
        self.weighted = bool(weighted)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        embeddings = super().embed(batch, step)
        if self.negative_mixes:
            draws = keras.ops.sort(step.stream().uniform(shape=(2, _DRAWS)), axis=2)
            embeddings["shares"] = draws[:, :, _RANK]
        return embeddings

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        shares = None
        if self.negative_mixes:
            shares = keras.ops.reshape(keras.ops.transpose(embeddings["shares"]), (-1,))
        loss = sup_re_mix_loss(
            embeddings["z1"],
            embeddings["z2"],
            embeddings["y"],
            shares,
            self.temperature,
            self.positive_mixes,
            self.window,
            self.weighted,
        )
        return loss, {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """None: how many candidates an anchor has, and their weights, depend on the labels of the batch."""
        return ExpectedLoss()
