"""GroCo."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl import views as view_ops
from keras_ssl.losses.chance import largest_cosines
from keras_ssl.losses.groco_loss import check_negatives, groco_loss, group_ordering_loss
from keras_ssl.losses.numeric import check_positive
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2301.02009")
class GroCo(JointEmbedding):
    """GroCo: an image's other views should rank above the nearest other images when similarities are sorted.

    For each view, the similarities to the other views of the image (positives) and the `negatives` largest to other
    images of the global batch are sorted by a differentiable sorting network; the loss is the cross-entropy of
    the soft ranks against the order in which all positives stand above all negatives. No gradient goes to the
    embeddings that an anchor is compared with. More than two views make more than one positive; with local crops, the
    first `global_crops` views are the positives. Each view passes the networks separately, as in the authors' code.

    Logged: `loss` (where all similarities are equal, with one positive and 10 negatives: 0.202), `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector; batch norm after each Dense, the last without scale and shift. Defaults to
            `(2048, 2048, 2048)`, the authors' for a ResNet-50.
        steepness: of the comparators, beta > 0. Defaults to 1, as in the authors' recipes.
        negatives: number of hardest negatives. Defaults to 10.
        global_crops: number of first views that serve as positives; None (default) is all.
        **kwargs: `views` (default: `keras_ssl.views.dino(local_copies=0)`, the authors' two views), `preprocessing`,
            `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the steepness is not positive, or (from `fit`) a batch holds no more samples than negatives.

    Example:

    ```python
    model = keras_ssl.GroCo(keras_ssl.encoders.ConvNet(), projector=(256, 128))
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Shvetsova et al., "Learning by Sorting: Self-supervised Learning with Group Ordering Constraints", ICCV 2023.
    """

    all_views: ClassVar[bool] = True

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 2048, 2048),
        steepness: float = 1.0,
        negatives: int = 10,
        global_crops: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        if global_crops is not None and global_crops < 2:
            raise ValueError(f"`global_crops` must be None or at least 2. Received: global_crops={global_crops}")
        check_negatives(negatives, None)
        self.add_projector(projector, output_norm="plain")
        self.steepness = check_positive("steepness", steepness)
        self.negatives = negatives
        self.global_crops = global_crops

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.dino(local_copies=0)

    def check_batch_size(self, batch_size: int) -> None:
        super().check_batch_size(batch_size)
        check_negatives(self.negatives, batch_size)

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        views = list(embeddings.values())
        return groco_loss(views, self.steepness, self.negatives, self.global_crops), {}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """The group ordering loss at cosines that are known beforehand.

        - at chance positives of 0, and the negatives that are expected to be the largest of N - 1 random cosines;
        - collapsed all cosines equal: every order is as good as any other;
        - never below that of positives of 1 and negatives of -1, the widest gap there is.

        The number of positives is that of the views (`keras_ssl.views`) or global crops less one; of other callables,
        it is taken to be 1.
        """
        positives = min(self.number_of_views, self.global_crops or self.number_of_views) - 1
        nearest = largest_cosines(self.embedding_dim, batch_size - 1, self.negatives)

        def loss(positive: float, negatives: Any) -> float:
            same = np.full((1, positives), positive, "float32")
            others = np.broadcast_to(np.asarray(negatives, "float32"), (1, self.negatives))
            return float(group_ordering_loss(same, others, self.steepness))

        return ExpectedLoss(initial=loss(0.0, nearest), collapsed=loss(1.0, 1.0), floor=loss(1.0, -1.0))
