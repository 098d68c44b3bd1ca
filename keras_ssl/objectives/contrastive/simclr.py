"""SimCLR."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.losses.chance import log_mean_exp, lowest_cross_entropy, widest_gap
from keras_ssl.losses.nt_xent_loss import nt_xent_loss
from keras_ssl.losses.numeric import check_positive
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2002.05709")
class SimCLR(JointEmbedding):
    """SimCLR: find the other view of your own image among all views of the global batch (NT-Xent).

    Every one of the 2N embeddings is an anchor; its negatives are the 2N - 2 views of other images, of all replicas.
    Both views pass the encoder in one batch, as in the authors' code. Logged: `loss` (chance value `log(2N - 1)`),
    `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector. Defaults to `(2048, 128)`.
        temperature: T > 0. Defaults to `0.1`, the paper's for ImageNet; it takes 0.5 for CIFAR-10.
        batch_norm: batch norm in the projector, after every Dense, as in the authors' code (the last one without a
            shift). Defaults to True; False is the projector as the paper writes it.
        **kwargs: `views` (default: `keras_ssl.views.simclr()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if the temperature is not positive.

    Example:

    ```python
    model = keras_ssl.SimCLR(keras_ssl.encoders.ConvNet(), projector=(256, 64), temperature=0.2)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020.
    """

    one_pass: ClassVar[bool] = True

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        batch_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.add_projector(projector, batch_norm=batch_norm, output_norm="scale" if batch_norm else None)
        self.temperature = check_positive("temperature", temperature)
        self.batch_norm = batch_norm

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.simclr()

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        return nt_xent_loss(embeddings["z1"], embeddings["z2"], self.temperature), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """NT-Xent among the M = 2N - 1 other embeddings of the batch, at temperature T.

        - at chance `log M + log E exp(cos / T)`, the second term (see `losses.chance`) about `1 / (2 D T^2)`;
        - collapsed `log M`: all candidates are alike;
        - never below `log(1 + (2N - 2) exp(-N / ((N - 1) T)))`: pairs at the corners of a simplex. (The mean of a
          convex function is at least the function of the mean, and that of all cosines at least 0; Wang & Isola, ICML
          2020.)
        """
        others = math.log(2 * batch_size - 1)
        return ExpectedLoss(
            initial=others + log_mean_exp(self.embedding_dim, 1.0 / self.temperature),
            collapsed=others,
            floor=lowest_cross_entropy(2 * batch_size - 2, self.temperature, widest_gap(batch_size)),
        )
