"""X-CLR."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl.check_number import check_number
from keras_ssl.losses.soft_contrastive_loss import soft_contrastive_loss
from keras_ssl.losses.view_similarities import equal_pairs
from keras_ssl.objectives.contrastive.simclr import SimCLR
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2407.18134")
class XCLR(SimCLR):
    r"""X-CLR: SimCLR with a graded target: other samples are as positive as they are similar.

    The target of a view is `softmax(S_ij / T_s)` over all other views of the global batch, instead of one-hot at its
    own other view (`soft_contrastive_loss`). The similarity `S` of two samples is that of their classes, from a table;
    the two views of one sample have similarity 1. Without a table it is 1 within a class and 0 otherwise. Needs labels,
    `y`; a sample with the label -1 has similarity 0 to all others. The paper takes the cosines of captions, such as "a
    photo of a dog": with one caption for each class these are a table of classes.

    So it is no method without labels: what it reaches beside SimCLR or an untrained encoder
    (`benchmarks/proofs/xclr.py`) is what the labels of the training images are worth, and must be compared with what
    other methods make of them, such as `SupCon`.

    Logged: `loss` (chance value `log(2N - 1)`; at least the mean entropy of the targets), `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        class_similarity: similarities of classes `[C, C]`, from -1 to 1, an array or nested lists. Defaults to None: 1
            within a class, else 0.
        projector: widths of the projector. Defaults to `(2048, 128)`, SimCLR's.
        temperature: T > 0. Defaults to 0.1.
        target_temperature: T_s > 0. Defaults to 0.1, the paper's.
        **kwargs: `batch_norm`, as for `SimCLR`; `views`, `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range; from `fit`, for labels that are no class of the table.

    Example:

    ```python
    model = keras_ssl.XCLR(keras_ssl.encoders.ConvNet(), projector=(256, 64))
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Sobal et al., "X-Sample Contrastive Loss: Improving Contrastive Learning with Sample Similarity Graphs", ICLR
        2025.
    """

    fields: ClassVar[dict[str, Field]] = {"y": Field("int32")}
    tiny: ClassVar[dict[str, Any] | None] = {"projector": (24, 12)}
    expected_range = SSLModel.expected_range  # the targets' entropy depends on the labels

    def __init__(
        self,
        encoder: keras.Model,
        class_similarity: Any = None,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        target_temperature: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, projector, check_number("temperature", temperature, 0.0, above=True), **kwargs)
        self.target_temperature = check_number("target_temperature", target_temperature, 0.0, above=True)
        self.class_similarity = None if class_similarity is None else _table(class_similarity)

    def check_batch(self, batch: dict[str, Any]) -> None:
        super().check_batch(batch)
        if batch.get("y") is None:
            return
        labels = np.asarray(keras.ops.convert_to_numpy(batch["y"])).reshape(-1)
        classes = np.inf if self.class_similarity is None else len(self.class_similarity)
        wrong = (labels < -1) | (labels >= classes)
        if wrong.any():
            sample = int(wrong.argmax())
            raise ValueError(
                "Labels must be rows of `class_similarity`, or -1 for an unlabeled sample. "
                f"Received: y={labels[sample]} in sample {sample}"
            )

    def similarities(self, labels: Tensor) -> Tensor:
        """The similarities of samples by their labels `[N]`, float32 `[N, N]`."""
        ops = keras.ops
        if self.class_similarity is None:
            same = ops.logical_and(equal_pairs(labels), (labels >= 0)[:, None])
            return ops.cast(same, "float32")
        table = ops.convert_to_tensor(self.class_similarity)
        classes = ops.one_hot(labels, table.shape[0], dtype="float32")  # of -1 it is zeros
        return ops.matmul(ops.matmul(classes, table), ops.transpose(classes))

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        similarities = self.similarities(keras.ops.cast(embeddings["y"], "int32"))
        z1, z2 = embeddings["z1"], embeddings["z2"]
        return soft_contrastive_loss(z1, z2, similarities, self.temperature, self.target_temperature), {}


def _table(given: Any) -> np.ndarray:
    table = np.asarray(given, "float32")
    if table.ndim != 2 or table.shape[0] != table.shape[1] or not table.size:
        raise ValueError(
            f"`class_similarity` must be a square matrix [C, C]. Received: class_similarity of shape {table.shape}"
        )
    if not (np.abs(table) <= 1.0 + 1e-5).all():
        worst = table.reshape(-1)[int(np.argmax(~(np.abs(table) <= 1.0 + 1e-5)))]
        raise ValueError(f"`class_similarity` must lie in [-1, 1]. Received: class_similarity={worst}")
    return table
