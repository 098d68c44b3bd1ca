"""W-MSE."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.losses.numeric import check_integer
from keras_ssl.losses.whitening_mse_loss import check_whitening_size, w_mse_loss
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.registry import register
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="decorrelation", paper="https://arxiv.org/abs/2007.06346")
class WMSE(JointEmbedding):
    r"""W-MSE: views agree once the batch is whitened, so that they cannot agree by collapsing. No negatives.

    The global batch is cut at random into parts of `whitening_size`; in every part each view's embeddings are whitened
    (mean 0, covariance the identity), and the loss is the mean of `2 - 2 cos` over all pairs of views, in [0, 4];
    independent views give about 2. With `iterations` above 1 it is the mean over so many random cuts, which makes it
    less noisy. It takes every view that it is given. All views pass the networks in one batch, as in the authors'
    code. Logged: `loss`, `embedding_std` (before whitening).

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector; the last is D. Defaults to `(1024, 64)`, the authors' for CIFAR-10.
        whitening_size: samples whitened together; greater than D, and a divisor of the global batch. The authors take
            2 D. Defaults to None, the whole batch.
        iterations: random cuts per step. Defaults to 1; of no use where the whole batch is whitened.
        epsilon: shrinkage of the covariance, in [0, 1]. Defaults to `1e-5`. The authors' default is 0, where a
            covariance that has lost its rank stops training with an error. From 1e-4 up, weak directions are no
            longer blown up to full size, and embeddings may collapse after all.
        **kwargs: `views` (default: `keras_ssl.views.simclr()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if `whitening_size` is not greater than the projector's width, `iterations` not a positive integer
            or `epsilon` out of range; and from `fit` where the batch cannot be cut into such parts.

    Example:

    ```python
    model = keras_ssl.WMSE(keras_ssl.encoders.ConvNet(), projector=(128, 32), whitening_size=64)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Ermolov et al., "Whitening for Self-Supervised Representation Learning", ICML 2021.
    """

    one_pass: ClassVar[bool] = True
    all_views: ClassVar[bool] = True

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (1024, 64),
        whitening_size: int | None = None,
        iterations: int = 1,
        epsilon: float = 1e-5,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        # The authors' head has biases everywhere.
        self.add_projector(projector, hidden_bias=True, output_bias=True)
        if whitening_size is not None:
            check_whitening_size(whitening_size, self.embedding_dim)
        if not 0 <= epsilon <= 1:
            raise ValueError(f"`epsilon` must lie in [0, 1]. Received: epsilon={epsilon}")
        self.whitening_size = whitening_size
        self.iterations = check_integer("iterations", iterations, 1)
        self.epsilon = epsilon

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        # The covariance of a batch has fewer directions than samples.
        return {"projector": (scale.width(1024), min(64, max(scale.batch_size // 4, 2)))}

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.simclr()

    def check_batch_size(self, batch_size: int) -> None:
        super().check_batch_size(batch_size)
        check_whitening_size(self.whitening_size or batch_size, self.embedding_dim, batch_size)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        # A random number for every sample: in their order the global batch is cut.
        return {**super().embed(batch, step), "rank": step.stream().uniform(shape=(self.iterations,))}

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        rank = embeddings["rank"]
        views = [z for name, z in embeddings.items() if name != "rank"]
        if self.whitening_size is None and views[0].shape[0] is None and not self._whole_batches:
            raise ValueError(
                "A batch of unknown size cannot be whitened as a whole: give a `whitening_size`, or a data set with "
                "drop_remainder=True. Received: whitening_size=None"
            )
        losses = [
            w_mse_loss(z1, z2, keras.ops.argsort(rank[:, cut]), self.whitening_size, self.epsilon)
            for cut in range(self.iterations if self.whitening_size else 1)
            for z1, z2 in combinations(views, 2)
        ]
        return sum(losses[1:], losses[0]) / len(losses), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """`2 - 2 cos` of whitened embeddings: at chance 2; never below 0.

        Nothing is told of collapse, which whitening undoes: it blows up whatever difference is left, be it rounding, so
        that the loss is 0 where the views' differences are the same, and 2 where they have nothing in common.
        """
        return ExpectedLoss(initial=2.0, floor=0.0)
