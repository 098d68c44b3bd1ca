"""Contrast supervised by trees of annotations."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl.losses.metric.soft_sup_con_loss import soft_sup_con_loss
from keras_ssl.losses.view_similarities import equal_pairs
from keras_ssl.objectives.contrastive.simclr import SimCLR
from keras_ssl.registry import register
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/2209.06638")
class TreeSupervisedContrastive(SimCLR):
    """SimCLR whose positives have weights: how much two samples' trees of annotations have in common.

    A label `y` is the number of a tree, a row of `similarity`; `keras_ssl.data.tree_similarity_matrix` makes the table
    from trees. All views of all samples are positives of an anchor, each with its share of the similarities: see
    `keras_ssl.losses.soft_sup_con_loss`. A sample with the label -1 has no tree: its own other view is its only
    positive, which is the self-supervised loss that the paper adds for unlabeled dialogs; all anchors count alike in
    the mean. Classes alone are the identity matrix as `similarity`: this is then `SupCon`. Without any label it is
    `SimCLR`. Logged: `loss`, `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps inputs to features `[N, F]`.
        similarity: of T trees, a symmetric matrix `[T, T]` of numbers from 0 to 1 with ones on its diagonal.
        projector: widths of the projector. Defaults to `(2048, 128)`.
        temperature: T > 0. Defaults to 0.1.
        batch_norm: batch norm in the projector, as for `SimCLR`. Defaults to True.
        **kwargs: `views` (default: `keras_ssl.views.simclr()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if the temperature is not positive or `similarity` is not as said; from `fit`, if a label is no row
            of it.

    Example:

    ```python
    trees = [{"even": {"small": {}}}, {"odd": {"small": {}}}, {"even": {"large": {}}}]
    similarity = keras_ssl.data.tree_similarity_matrix(trees)
    model = keras_ssl.TreeSupervisedContrastive(keras_ssl.encoders.ConvNet(), similarity, projector=(256, 64))
    model.compile("adam")
    model.fit(images, numbers_of_trees, epochs=10)
    ```

    Reference:
        He et al., "SPACE-2: Tree-Structured Semi-Supervised Contrastive Pre-training for Task-Oriented Dialog
        Understanding", COLING 2022.
    """

    fields: ClassVar[dict[str, Field]] = {"y": Field("int32", missing=-1)}
    tiny: ClassVar[dict[str, Any] | None] = {
        "similarity": [[1.0, 0.5, 0.0, 0.0], [0.5, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.25], [0.0, 0.0, 0.25, 1.0]],
        "projector": (24, 12),
    }

    def __init__(
        self,
        encoder: keras.Model,
        similarity: Sequence[Sequence[float]] | np.ndarray,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        batch_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, projector, temperature, batch_norm, **kwargs)
        matrix = np.array(similarity, "float32")
        if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or not len(matrix):
            raise ValueError(f"`similarity` must be a matrix [T, T]. Received: similarity.shape={matrix.shape}")
        if not (np.all((matrix >= 0) & (matrix <= 1)) and np.array_equal(matrix, matrix.T)):
            raise ValueError(f"`similarity` must be symmetric, with entries from 0 to 1. Received: similarity={matrix}")
        if not np.all(np.diag(matrix) == 1):
            raise ValueError(
                f"`similarity` must have ones on its diagonal. Received: similarity with the diagonal {np.diag(matrix)}"
            )
        self.similarity = matrix

    def check_batch(self, batch: dict[str, Any]) -> None:
        super().check_batch(batch)
        if batch.get("y") is None:
            return
        labels = np.asarray(keras.ops.convert_to_numpy(batch["y"])).reshape(-1)
        wrong = (labels < -1) | (labels >= len(self.similarity))
        if wrong.any():
            sample = int(wrong.argmax())
            raise ValueError(
                f"Labels must be rows of `similarity`, from 0 to {len(self.similarity) - 1}, or -1 for none. "
                f"Received: y={labels[sample]} in sample {sample}"
            )

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops = keras.ops
        labels = ops.cast(embeddings["y"], "int32")
        table = ops.convert_to_tensor(self.similarity)
        known = labels >= 0
        rows = ops.clip(labels, 0, len(self.similarity) - 1)
        pairs = ops.take(ops.take(table, rows, axis=0), rows, axis=1)
        both = ops.logical_and(known[:, None], known[None, :])
        oneself = equal_pairs(ops.arange(ops.shape(labels)[0], dtype="int32"))
        weights = ops.where(oneself, ops.ones_like(pairs), ops.where(both, pairs, ops.zeros_like(pairs)))
        return soft_sup_con_loss(embeddings["z1"], embeddings["z2"], weights, self.temperature), {}
