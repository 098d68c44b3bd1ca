"""FroSSL."""

import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.losses.frossl_loss import frossl_terms
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="decorrelation", paper="https://arxiv.org/abs/2310.02903")
class FroSSL(JointEmbedding):
    r"""FroSSL: views agree, and a low Frobenius norm makes the eigenvalues of each view's covariance alike.

    `sum_v 2 log ||C_v||_F + invariance_weight * sum_v V D mean (z_v - mean_w z_w)^2`, with each dimension scaled to
    length 1 over the global batch and `C_v = z_v' z_v / tr(z_v' z_v)` (`frossl_terms`). All V >= 2 views take part, in
    one batch. Logged: `loss`, `invariance` and `regularization` (unweighted), `embedding_std`.

    The regularization alone is 0 where all samples are equal and at least `-V log min(N, D)`. Dimensions are not
    centered; the authors' first version, of two views, centers them.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector, with batch norm after each hidden layer; the last is D. Defaults to
            `(2048, 2048, 1024)`.
        invariance_weight: not negative. Defaults to 1, the paper's.
        **kwargs: `views` (default: the two of `keras_ssl.views.byol()`), `preprocessing`, `seed`, `name`, `dtype`, as
            for `SSLModel`.

    Raises:
        ValueError: if `invariance_weight` is negative or not finite; from `fit`, for fewer than two views.

    Example:

    ```python
    model = keras_ssl.FroSSL(keras_ssl.encoders.ConvNet(), projector=(256, 128))
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Skean et al., "FroSSL: Frobenius Norm Minimization for Efficient Multiview Self-Supervised Learning", ECCV 2024.
    """

    one_pass: ClassVar[bool] = True
    all_views: ClassVar[bool] = True
    tiny: ClassVar[dict[str, Any] | None] = {"projector": (24, 12)}

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 2048, 1024),
        invariance_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.invariance_weight = check_number("invariance_weight", invariance_weight, 0.0)
        self.add_projector(projector, hidden_bias=True, output_bias=True)

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.byol()

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        invariance, regularization = frossl_terms(list(embeddings.values()))
        loss = regularization + self.invariance_weight * invariance
        return loss, {"invariance": invariance, "regularization": regularization}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """For V views of N samples and D dimensions, of length 1 over the batch.

        - at chance `V log(1/D + (1 - 1/D) / N) + w V (V - 1) D / N`: a product of two random unit vectors is `1/N` in
          the square, and one of two views of one image 0 in the mean;
        - collapsed 0: a covariance of rank one, and views that agree;
        - never below `-V log min(N, D)`.

        V is told by the views (`keras_ssl.views`); of other callables, it is taken to be 2.
        """
        views, width = self.number_of_views, self.embedding_dim
        apart = self.invariance_weight * views * (views - 1) * width / batch_size
        return ExpectedLoss(
            initial=views * math.log(1.0 / width + (1.0 - 1.0 / width) / batch_size) + apart,
            collapsed=0.0,
            floor=-views * math.log(min(batch_size, width)),
        )
