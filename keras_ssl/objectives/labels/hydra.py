"""Hydra."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl.layers.pair_gate import PairGate
from keras_ssl.losses.metric.gated_pair_loss import gated_pair_loss
from keras_ssl.losses.numeric import check_integer
from keras_ssl.objectives.contrastive.simclr import SimCLR
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/2410.18200")
class Hydra(SimCLR):
    r"""Hydra: samples of any two classes are positives of each other, in a subspace that the two classes share.

    For a pair of classes (a, b), also of a class with itself, learned gates in (0, 1) scale the dimensions of the
    embeddings, which are then normalized again; there, all views of samples of a and of b attract each other and all
    other samples are negatives. The gates are `sigmoid(MLP((e_a + e_b) / 2))` of learned embeddings e of the classes,
    so that the order of a pair does not matter. There are `C (C + 1) / 2` pairs. See
    `keras_ssl.losses.gated_pair_loss`. Samples with the label -1 are left out. Logged: `loss`, `gate` (the mean over
    the step's gates), `embedding_std`.

    A later version of the paper, in which the method is called SimLAP, adds a penalty that makes gates binary; it is
    not included.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        classes: number of classes C, at least 2.
        projector: widths of the projector. Defaults to `(2048, 128)`.
        temperature: T > 0. Defaults to 0.1.
        pairs: how many pairs a step takes, drawn from all of them with replacement. Defaults to None: all of them,
            which suits ten classes or so. Each pair costs the similarities of all views.
        gate_width: width of the class embeddings and of the gates' hidden layer. Defaults to 64.
        batch_norm: batch norm in the projector, as for `SimCLR`. Defaults to True.
        **kwargs: `views` (default: `keras_ssl.views.simclr()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if a value is out of range; from `fit`, if a label is no class.

    Example:

    ```python
    model = keras_ssl.Hydra(keras_ssl.encoders.ConvNet(), classes=10, projector=(256, 64))
    model.compile("adam")
    model.fit(images, labels, epochs=10)
    ```

    Reference:
        Wu et al., "Rethinking Positive Pairs in Contrastive Learning", 2024.
    """

    fields: ClassVar[dict[str, Field]] = {"y": Field("int32")}
    without_labels: ClassVar[str | None] = "SimCLR"
    tiny: ClassVar[dict[str, Any] | None] = {"classes": 4, "projector": (24, 12), "gate_width": 8}
    stored_as: ClassVar[dict[str, str]] = {"gate_width": "gate.width"}

    def __init__(
        self,
        encoder: keras.Model,
        classes: int,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        pairs: int | None = None,
        gate_width: int = 64,
        batch_norm: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, projector, temperature, batch_norm, **kwargs)
        self.classes = check_integer("classes", classes, 2)
        self.pairs = None if pairs is None else check_integer("pairs", pairs, 1)
        self.gate = PairGate(self.classes, self.embedding_dim, gate_width, name="gate")
        first, second = np.triu_indices(self.classes)
        self.all_pairs = np.stack([first, second], axis=1).astype("int32")
        """The pairs of classes, int32 `[C (C + 1) / 2, 2]`."""

    def check_batch(self, batch: dict[str, Any]) -> None:
        super().check_batch(batch)
        labels = np.asarray(keras.ops.convert_to_numpy(batch["y"])).reshape(-1)
        wrong = (labels < -1) | (labels >= self.classes)
        if wrong.any():
            sample = int(wrong.argmax())
            raise ValueError(
                f"Labels must be class numbers from 0 to `classes` - 1 = {self.classes - 1}, or -1 for an unlabeled "
                f"sample. Received: y={labels[sample]} in sample {sample}"
            )

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops = keras.ops
        pairs = ops.convert_to_tensor(self.all_pairs)
        if self.pairs is not None:
            drawn = step.shared_stream().integers(len(self.all_pairs), shape=(self.pairs,))[0]
            pairs = ops.take(pairs, drawn, axis=0)
        gates = self.gate(pairs)
        z = ops.concatenate([embeddings["z1"], embeddings["z2"]], axis=0)
        labels = ops.concatenate([embeddings["y"], embeddings["y"]], axis=0)
        return gated_pair_loss(z, labels, pairs, gates, self.temperature), {"gate": ops.mean(gates)}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """None: how many positives and negatives a pair has depends on the labels of the batch."""
        return ExpectedLoss()
