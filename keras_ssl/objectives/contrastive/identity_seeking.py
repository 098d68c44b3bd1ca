"""ISR: identity-seeking representation learning."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras

from keras_ssl import views as view_ops
from keras_ssl.losses.bipartite_matching import bipartite_matching
from keras_ssl.losses.chance import lowest_cross_entropy
from keras_ssl.losses.isr_loss import isr_loss, pair_reliability
from keras_ssl.losses.numeric import check_positive, l2_normalize
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2308.08887")
class IdentitySeeking(JointEmbedding):
    """ISR: the instances of two neighboring frames are matched to each other, and contrasted as pairs.

    View 1 holds the instances of one frame, view 2 those of the next, as many and in any order. The matching is the
    permutation of the global batch that maximizes the sum of the cosines, exact, found within the step and without
    gradient. The loss is InfoNCE in both directions on the matched pairs, each pair weighted by its reliability
    `sqrt(p(j | i) p(i | j))`, the softmax probabilities that the two choose each other. That weight is ours: the
    paper weighs pairs too, by a formula that we could not consult.

    Pass frames as ready-made views, `fit((frame1, frame2))`. With `shuffle=True` images stand in for frames: view 2
    is embedded in random order, and the matching has to find it again. Either way the untrained encoder must already
    match a good part of the pairs, for wrong pairs are learned like right ones: take views that change little, as
    neighboring frames do, and watch `matched`. What such views share, color say, is then what is learned. The
    matching knows no videos: all instances of a batch are candidates for each other. It costs O(N^3) at worst, which
    suits batches up to some hundreds.
    Logged: `loss` (chance value `log N`), `matched` (the fraction of rows that are matched to what stood in their own
    row before the shuffle), `reliability` (its mean), `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector. Defaults to `(2048, 128)`.
        temperature: T > 0, of the loss and of the reliability. Defaults to `0.1`.
        batch_norm: batch norm in the projector, after every Dense, the last one without a shift. Defaults to True.
        weighted: whether pairs are weighted by their reliability. Defaults to True.
        shuffle: whether view 2 is put in random order first. Defaults to False.
        **kwargs: `views` (default: `keras_ssl.views.simclr()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if the temperature is not positive.

    Example:

    ```python
    model = keras_ssl.IdentitySeeking(keras_ssl.encoders.ConvNet(), projector=(128, 64), shuffle=True)
    model.compile("adam")
    model.fit(images, epochs=10, batch_size=128)
    ```

    Reference:
        Dou et al., "Identity-Seeking Self-Supervised Representation Learning for Generalizable Person
        Re-identification", ICCV 2023.
    """

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        batch_norm: bool = True,
        weighted: bool = True,
        shuffle: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.add_projector(projector, batch_norm=batch_norm, output_norm="scale" if batch_norm else None)
        self.temperature = check_positive("temperature", temperature)
        self.batch_norm = batch_norm
        self.weighted = weighted
        self.shuffle = shuffle

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.simclr()

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        embeddings = super().embed(batch, step)
        if self.shuffle:
            embeddings["order"] = self.shuffled(keras.ops.cast(step.position, "int32"), step)
        return embeddings

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops = keras.ops
        z1, z2 = l2_normalize(embeddings["z1"]), l2_normalize(embeddings["z2"])
        number = ops.arange(ops.shape(z1)[0], dtype="int32")
        order = number
        if self.shuffle:
            order = embeddings["order"]
            z2 = ops.take(z2, order, axis=0)
        matching = bipartite_matching(ops.matmul(z1, ops.transpose(z2)))
        reliability = pair_reliability(z1, ops.take(z2, matching, axis=0), self.temperature)
        loss = isr_loss(z1, z2, matching, self.temperature, reliability if self.weighted else None)
        own = ops.equal(ops.take(order, matching), number)
        return loss, {"matched": ops.mean(ops.cast(own, "float32")), "reliability": ops.mean(reliability)}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """Cross-entropy among N candidates, on matched pairs.

        - at chance None: in noise, too, the matching finds pairs that are nearer than others, the nearer the fewer
          dimensions there are, so the loss lies below `log N`, by what no closed form tells;
        - collapsed `log N`;
        - never below `log(1 + (N - 1) exp(-2 / T))`. (Pairs are weighted, so the tighter floor of an even mean is not
          certain.)
        """
        return ExpectedLoss(
            initial=None,
            collapsed=math.log(batch_size),
            floor=lowest_cross_entropy(batch_size - 1, self.temperature),
        )
