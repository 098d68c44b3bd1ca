"""Transitive invariance."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.losses.metric.checks import check_finite_number
from keras_ssl.losses.metric.graph_triplet_loss import graph_triplet_loss
from keras_ssl.losses.numeric import check_integer
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.registry import register
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/1708.02901")
class TransitiveInvariance(JointEmbedding):
    """Transitive invariance: a triplet network on pairs that a graph of samples gives.

    The graph has edges between different instances that look alike (`keras_ssl.data.nearest_edges` under
    self-supervised features) and between views of one instance (tracks). `keras_ssl.data.transitive_pairs` puts them
    together to pairs that vary in both. The two images of a pair are given as ready-made views, and `group` is the
    pair's connected component: samples of other components of the batch are its negatives. The loss is
    `max(0, D(x, x+) - D(x, x-) + margin)` with cosine distances: see `keras_ssl.losses.graph_triplet_loss`. Without
    `group` every pair is a component of its own. Logged: `loss`, `embedding_std`.

    The paper takes random negatives first and hard ones later; here it is all negatives of the batch, or the nearest.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector. Defaults to `(2048, 128)`.
        margin: finite, of cosine distances. Defaults to 0.5.
        negatives: how many of the nearest negatives count. Defaults to None: all.
        batch_norm: batch norm in the projector, after every Dense, the last one without a shift. Defaults to True.
        **kwargs: `views` (default: `keras_ssl.views.simclr()`, for single images; pairs given ready-made go to the
            encoder as they are unless `views` are given), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if a value is out of range.

    Example:

    ```python
    graph = keras_ssl.data.transitive_pairs(nearest_edges, track_edges, count=len(images))
    first, second = graph.all.T
    model = keras_ssl.TransitiveInvariance(keras_ssl.encoders.ConvNet(), projector=(256, 64))
    model.compile("adam")
    model.fit({"x": (images[first], images[second]), "group": graph.components[first]}, epochs=10)
    ```

    Reference:
        Wang et al., "Transitive Invariance for Self-supervised Visual Representation Learning", ICCV 2017.
    """

    fields: ClassVar[dict[str, Field]] = {"group": Field("int32", missing=-1)}
    one_pass: ClassVar[bool] = True
    tiny: ClassVar[dict[str, Any] | None] = {"projector": (24, 12)}

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 128),
        margin: float = 0.5,
        negatives: int | None = None,
        batch_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.margin = check_finite_number("margin", margin)
        self.negatives = None if negatives is None else check_integer("negatives", negatives, 1)
        self.add_projector(projector, batch_norm=batch_norm, output_norm="scale" if batch_norm else None)
        self.batch_norm = batch_norm

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.simclr()

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        z1, z2, group = embeddings["z1"], embeddings["z2"], embeddings["group"]
        return graph_triplet_loss(z1, z2, group, self.margin, self.negatives), {}
