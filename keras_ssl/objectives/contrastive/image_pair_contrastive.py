"""Image-to-image CLIP: pairs of images of one identity."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.layers.logit_scale import LogitScale
from keras_ssl.losses.chance import log_mean_exp, lowest_cross_entropy, widest_gap
from keras_ssl.losses.image_pair_loss import check_label_smoothing, image_pair_loss
from keras_ssl.losses.numeric import check_positive
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2303.11855")
class ImagePairContrastive(JointEmbedding):
    """Image-to-image CLIP: of two images of one identity, each finds the other among the batch's second images.

    `(CE(S / T) + CE(S^T / T)) / 2` with `S = z1 z2^T` over the global batch, rows L2-normalized: CLIP's loss with one
    image tower in the place of both. The temperature is learned, as `log(1 / T)`, with `1 / T` at most 100, or fixed.
    Both images pass the encoder in one batch. Start from a pretrained encoder to train for re-identification.

    The two images are either two ready-made images of an identity, `x = (first, second)`, or two views of one. `views`
    that are given change ready-made images too, each by the pipeline of its place; the default leaves them. The
    key `group`, where the batches have it, holds the identities: rows of one identity are not each other's negatives.
    The paper avoids such rows by batches in which every identity is found once, which use every negative
    (`keras_ssl.data.identity_pairs` makes them). Logged: `loss` (chance value `log N`), `temperature`, `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector. Defaults to `(512,)`: a linear map without bias, CLIP's.
        temperature: T at the start, positive (at least 0.01 where it is learned). Defaults to `0.07`.
        learn_temperature: whether T is learned. Defaults to True.
        label_smoothing: in [0, 1), part of the target that is spread over all candidates. Defaults to 0, CLIP's loss;
            the authors' code takes 0.1.
        **kwargs: `views` (default: `keras_ssl.views.simclr()`, and for ready-made images none),
            `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the temperature is out of range, or `label_smoothing` not in [0, 1).

    Example:

    ```python
    model = keras_ssl.ImagePairContrastive(keras_ssl.encoders.ConvNet(), projector=(64,))
    model.compile("adam")
    model.fit({"x": (first, second), "group": players}, batch_size=64, epochs=10)
    ```

    Reference:
        Habel et al., "CLIP-ReIdent: Contrastive Training for Player Re-Identification", MMSports 2022.
    """

    fields: ClassVar[dict[str, Field]] = {"group": Field("int32", required=False)}
    one_pass: ClassVar[bool] = True

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (512,),
        temperature: float = 0.07,
        learn_temperature: bool = True,
        label_smoothing: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.add_projector(projector)
        self.temperature = check_positive("temperature", temperature)
        self.label_smoothing = check_label_smoothing(label_smoothing)
        self.logit_scale = LogitScale(temperature, name="logit_scale") if learn_temperature else None

    @property
    def learn_temperature(self) -> bool:
        return self.logit_scale is not None

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.simclr()

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        temperature: Any = self.temperature if self.logit_scale is None else 1.0 / self.logit_scale.scale()
        z1, z2, group = embeddings["z1"], embeddings["z2"], embeddings.get("group")
        loss = image_pair_loss(z1, z2, temperature, group, self.label_smoothing)
        return loss, {"temperature": keras.ops.convert_to_tensor(temperature, "float32")}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """Cross-entropy among N candidates, in both directions, at the temperature T of now.

        - at chance `log N + log E exp(cos / T)`;
        - collapsed `log N`, both whatever the smoothing a;
        - never below the least of `log(1 + (N - 1) exp(-g / T)) + a (N - 1) / N g / T` over gaps g between a positive
          and its negatives up to `N / (N - 1)`, at the lowest temperature that can be learned. Without smoothing that
          is the largest gap.

        Identities (`group`) take candidates away: then all three are too high, the floor by no more than
        `log(N / (N - n + 1))` for n images of one identity.
        """
        now = self.temperature if self.logit_scale is None else 1.0 / float(self.logit_scale.scale())
        lowest = now if self.logit_scale is None else 1.0 / self.logit_scale.maximum
        widest = widest_gap(batch_size) / lowest
        smoothing = self.label_smoothing * (batch_size - 1) / batch_size
        if smoothing:
            widest = min(widest, math.log((batch_size - 1) * (1.0 - smoothing) / smoothing))
        return ExpectedLoss(
            initial=math.log(batch_size) + log_mean_exp(self.embedding_dim, 1.0 / now),
            collapsed=math.log(batch_size),
            floor=lowest_cross_entropy(batch_size - 1, 1.0, widest) + smoothing * widest,
        )
