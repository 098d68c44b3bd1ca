"""ScatSimCLR."""

import math
from collections.abc import Sequence
from itertools import permutations
from typing import Any

import keras
import numpy as np

from keras_ssl.losses.info_nce_loss import contrastive_cross_entropy
from keras_ssl.objectives.contrastive.simclr import SimCLR
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor

_CLASSES = {"rotation": 4, "jigsaw": 24}


@register("objective", family="contrastive", paper="https://arxiv.org/abs/2108.13939")
class ScatSimCLR(SimCLR):
    r"""SimCLR that also tells what was done to an image, meant for an encoder on fixed wavelets (`ScatteringNet`).

    `NT-Xent + pretext_weight * CE`, where CE is the cross-entropy of a small classifier on the encoder's features:

    - `pretext="rotation"`: by which of four quarter turns the image was turned;
    - `pretext="jigsaw"`: in which of the 24 orders its four quarters were put. (The authors cut nine tiles and give
      them to the encoder one by one.)

    The turned or cut images are the first views, drawn anew for every sample, and pass the encoder by themselves. With
    `pretext_weight=0` it is `SimCLR` to the bit, whatever the encoder. Logged: `loss`, `contrast` (NT-Xent), `pretext`
    (CE; chance value `log 4` or `log 24`), `pretext_accuracy`, `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`, such as
            `keras_ssl.encoders.ScatteringNet()`.
        projector, temperature, batch_norm: as for `SimCLR`.
        pretext: "rotation" (default) or "jigsaw".
        pretext_weight: beta, not negative. Defaults to `0.2`.
        pretext_widths: widths of the classifier's hidden layers. Defaults to `(512, 128)`, the authors' for rotations
            (they drop half of the activations, which is left out here).
        **kwargs: `views` (default: `keras_ssl.views.simclr()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: for an unknown pretext or a negative weight, as `SimCLR`, and from `fit` where images cannot be
            turned (not square) or cut (an odd size).

    Example:

    ```python
    encoder = keras_ssl.encoders.ScatteringNet(widths=(64, 128), scales=1, angles=4, order=1)
    model = keras_ssl.ScatSimCLR(encoder, projector=(128, 64), temperature=0.2)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Kinakh et al., "ScatSimCLR: Self-Supervised Contrastive Learning with Pretext Task Regularization for
        Small-Scale Datasets", 2021.
    """

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        batch_norm: bool = True,
        pretext: str = "rotation",
        pretext_weight: float = 0.2,
        pretext_widths: Sequence[int] = (512, 128),
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, projector, temperature, batch_norm, **kwargs)
        if pretext not in _CLASSES:
            raise ValueError(f"`pretext` must be one of {tuple(_CLASSES)}. Received: pretext={pretext!r}")
        if not pretext_weight >= 0:
            raise ValueError(f"`pretext_weight` must not be negative. Received: pretext_weight={pretext_weight}")
        self.pretext = pretext
        self.pretext_weight = pretext_weight
        self.pretext_widths = tuple(pretext_widths)
        if pretext_weight:
            widths = (*self.pretext_widths, _CLASSES[pretext])
            self.classifier = self.head("classifier", widths, self.feature_dim, batch_norm=False, output_bias=True)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        if not self.pretext_weight:
            return super().embed(batch, step)
        views = self.used_views(batch, step)
        z1, z2 = self.project(views, step.training)
        label = step.stream().integers(_CLASSES[self.pretext])
        changed = turned(views[0], label) if self.pretext == "rotation" else cut(views[0], label)
        logits = self.classifier(self.encoder(changed, training=step.training), training=step.training)
        return {"z1": z1, "z2": z2, "logits": logits, "label": label}

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        contrast, _ = super().objective(embeddings, step)
        if not self.pretext_weight:
            return contrast, {}
        ops = keras.ops
        logits, label = embeddings["logits"], embeddings["label"]
        pretext = contrastive_cross_entropy(logits, label)
        right = ops.mean(ops.cast(ops.equal(ops.cast(ops.argmax(logits, axis=1), label.dtype), label), "float32"))
        logs = {"contrast": contrast, "pretext": pretext, "pretext_accuracy": right}
        return contrast + self.pretext_weight * pretext, logs

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """`SimCLR`'s, and `pretext_weight` times the classifier's: `log C` for C classes at chance and collapsed, never
        below 0.
        """
        guess = math.log(_CLASSES[self.pretext])
        return super().expected_range(batch_size) + ExpectedLoss(guess, guess, 0.0) * self.pretext_weight


def turned(images: Tensor, turns: Tensor) -> Tensor:
    """Square images `[N, S, S, C]`, each turned by its number of quarter turns `[N]`."""
    ops = keras.ops
    if images.shape[1] != images.shape[2]:
        raise ValueError(f"Only square images can be turned. Received: images of shape {tuple(images.shape)}")
    result = images
    for quarter in (1, 2, 3):
        chosen = ops.reshape(ops.equal(turns, quarter), (-1, 1, 1, 1))
        result = ops.where(chosen, ops.rot90(images, quarter, axes=(1, 2)), result)
    return result


def cut(images: Tensor, order: Tensor) -> Tensor:
    """Images `[N, H, W, C]` with their quarters in one of 24 orders, numbered by `[N]`; number 0 changes nothing."""
    ops = keras.ops
    _, height, width, channels = images.shape
    if height is None or width is None or height % 2 or width % 2:
        raise ValueError(f"Only images of an even size can be cut. Received: images of shape {tuple(images.shape)}")
    tiles = ops.reshape(images, (-1, 2, height // 2, 2, width // 2, channels))
    tiles = ops.reshape(ops.transpose(tiles, (0, 1, 3, 2, 4, 5)), (-1, 4, height // 2 * (width // 2) * channels))
    table = ops.convert_to_tensor(np.array(list(permutations(range(4))), "int32"))
    tiles = ops.take_along_axis(tiles, ops.expand_dims(ops.take(table, order, axis=0), -1), axis=1)
    tiles = ops.reshape(tiles, (-1, 2, 2, height // 2, width // 2, channels))
    return ops.reshape(ops.transpose(tiles, (0, 1, 3, 2, 4, 5)), (-1, height, width, channels))
