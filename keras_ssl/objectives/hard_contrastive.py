"""SimCLR with hard negatives only."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.losses.hard_contrastive_loss import check_quantile, hard_contrastive_loss
from keras_ssl.objectives.simclr import SimCLR
from keras_ssl.typing import Logs, Tensor


@keras.saving.register_keras_serializable(package="keras_ssl")
class HardContrastive(SimCLR):
    """Hard contrastive learning: SimCLR against the nearest negatives alone.

    Each of the 2N anchors keeps, of the 2N - 2 views of other images in the global batch, those whose cosine is at
    least the `quantile` of them all; the others leave the loss. `quantile=0` is SimCLR. A small temperature does the
    same softly; choosing explicitly lets the temperature stay large, which is kinder to images that are really alike.
    Logged: `loss` (chance value about `log(1 + (1 - quantile)(2N - 2))`), `embedding_std`.

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`.
        projector: widths of the projector. Defaults to `(2048, 128)`, SimCLR's.
        temperature: T > 0. Defaults to `0.3`, larger than SimCLR's: the selection does what a small one is for.
        quantile: part of the negatives that is left out, in [0, 1). Defaults to `0.9`, ours, for batches of hundreds;
            the paper has no single value.
        **kwargs: `batch_norm`, as for `SimCLR`; `views`, `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the temperature is not positive or `quantile` not in [0, 1).

    Example:

    ```python
    model = keras_ssl.HardContrastive(keras_ssl.encoders.ConvNet(), projector=(256, 64), quantile=0.8)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Wang and Liu, "Understanding the Behaviour of Contrastive Loss", CVPR 2021.
    """

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.3,
        quantile: float = 0.9,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, projector, temperature, **kwargs)
        self.quantile = check_quantile(quantile)

    def objective(self, embeddings: dict[str, Tensor]) -> tuple[Tensor, Logs]:
        return hard_contrastive_loss(embeddings["z1"], embeddings["z2"], self.temperature, self.quantile), {}

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "quantile": self.quantile}
