"""NEPA."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras

from keras_ssl.encoders.masked_tokens import check_mask_token_encoder
from keras_ssl.losses.next_embedding_loss import next_embedding_loss
from keras_ssl.objectives.masked.crop_and_flip import crop_and_flip
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="masked", paper="https://arxiv.org/abs/2512.16922")
class NEPA(SSLModel):
    r"""NEPA: from the patches up to one, row by row, predict the embedding of the next one.

    The encoder runs causally: each token sees itself and those before it. With `h_t` its output for patch t, after the
    last normalization, and `e_t` the patch's linear embedding before positions are added, the loss is
    `-mean over t of cos(h_t, e_{t+1})`, t = 1 .. T - 1; no gradient flows through `e_{t+1}` as a target, but it does
    through the embeddings that the encoder sees. There is no mask, no decoder, no head and no teacher. A class token
    and registers come before the patches and predict nothing. Logged: `loss`, `prediction` (the same), `embedding_std`
    of the causal features.

    Training is causal whatever the encoder is; `model(x)` and exports use the encoder as it was made. With
    `ViT(causal=True)` both are the same; the authors fine-tune with attention in both directions. Their encoder has
    rotary positions, normalized queries and keys, and layer scale: none of them is needed here.

    The loss is a mean over samples: nothing of it is gathered across replicas.

    Args:
        encoder: a built `keras_ssl.encoders.ViT`, best with `causal=True` and `pooling="mean"`.
        **kwargs: `views` (default: a random crop of .2 to 1 of the image and a flip), `preprocessing`, `seed`, `name`,
            `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the encoder is no vision transformer, or an image has one patch only.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=32, depth=4, causal=True, pooling="mean")
    model = keras_ssl.NEPA(encoder)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
    model.fit(images, epochs=100)
    ```

    Reference:
        Xu et al., "Next-Embedding Prediction Makes Strong Vision Learners", 2025.
    """

    scope: ClassVar[str] = "sample"
    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    tiny: ClassVar[dict[str, Any] | None] = {}

    def __init__(self, encoder: keras.Model, **kwargs: Any) -> None:
        check_mask_token_encoder(encoder, type(self).__name__)
        super().__init__(encoder, **kwargs)

    def default_views(self) -> Callable[..., list[Tensor]]:
        return crop_and_flip(self.encoder.image_size, 0.2)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, images = keras.ops, self.make_views(batch, step)[0]
        grid = self.encoder.grid(images.shape)
        if grid[0] * grid[1] < 2:
            raise ValueError(
                f"The images of NEPA must have two patches or more. Received: {grid[0]} x {grid[1]} patches"
            )
        patches = self.encoder.get_layer("patch_embedding")(images)
        tokens = self.encoder.get_layer("tokens")(patches)
        encoded = self.encoder.encode(tokens, training=step.training, causal=True)
        return {
            "features": ops.stop_gradient(self.encoder.pool(encoded)),
            "outputs": encoded[:, self.encoder.prefix :],
            "embeddings": ops.stop_gradient(ops.reshape(patches, (-1, grid[0] * grid[1], patches.shape[3]))),
        }

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        return {"prediction": Term(next_embedding_loss(embeddings["outputs"], embeddings["embeddings"]))}
