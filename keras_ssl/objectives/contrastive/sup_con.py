"""Supervised contrastive learning."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.losses.chance import lowest_cross_entropy
from keras_ssl.losses.sup_con_loss import check_sup_con, sup_con_loss
from keras_ssl.objectives.contrastive.simclr import SimCLR
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2004.11362")
class SupCon(SimCLR):
    """SupCon: SimCLR in which all views of all images with one's own label are positives.

    Needs labels, `y`. A sample with the label -1 is unlabeled: its own other view is its only positive, so partly
    labelled data train as SimCLR where labels lack, and without any label this is SimCLR. By default the mean of the
    positives' log-probabilities (the paper's "out" form). Logged: `loss` (chance value `log(2N - 1)`; perfect
    clusters of n samples each still give about `log(2n - 1)`, because their members are not told apart),
    `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector. Defaults to `(2048, 128)`, the paper's for ResNet-50.
        temperature: T > 0. Defaults to `0.1`, the paper's.
        batch_norm: batch norm in the projector, as for `SimCLR`. Defaults to False, as in the authors' code.
        form: "out" (default), or "in", the logarithm of the positives' mean probability.
        base_temperature: if given, the loss is multiplied by `temperature / base_temperature`, as in the authors'
            code, which sets both to 0.07. None (default) is the paper's formula. Learning rates depend on it.
        **kwargs: `views`, `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if a temperature is not positive or `form` unknown; from `fit`, if the batches have no labels
            `y`, or labels that are not integers.

    Example:

    ```python
    model = keras_ssl.SupCon(keras_ssl.encoders.ConvNet(), projector=(256, 64))
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020.
    """

    fields: ClassVar[dict[str, Field]] = {"y": Field("int32")}

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        batch_norm: bool = False,
        form: str = "out",
        base_temperature: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, projector, temperature, batch_norm, **kwargs)
        check_sup_con(temperature, form, base_temperature)
        self.form = form
        self.base_temperature = base_temperature

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        z1, z2, labels = embeddings["z1"], embeddings["z2"], embeddings["y"]
        return sup_con_loss(z1, z2, labels, self.temperature, self.form, self.base_temperature), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """As for `SimCLR`, times `temperature / base_temperature` where that is given.

        Labels change neither the value at chance nor that of collapsed embeddings; but in the form "in" the mean of n
        positives' probabilities is taken before the logarithm, which at chance lowers the loss by up to `log E exp(cos
        / T)`, the more the more positives: for it the value holds where an image has few. The floor, `log(1 + (2N - 2)
        exp(-2 / T))`, must hold for any labels, so it is lower than SimCLR's; classes of n images stay above about
        `log(2n - 1)`.
        """
        plain = super().expected_range(batch_size)
        floor = lowest_cross_entropy(2 * batch_size - 2, self.temperature)
        scale = 1.0 if self.base_temperature is None else self.temperature / self.base_temperature
        return ExpectedLoss(plain.initial, plain.collapsed, floor) * scale
