"""Training of a transformer whose early blocks give features too."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.encoders.multi_exit_encoder import MultiExitEncoder
from keras_ssl.losses.distillation.cross_similarity_loss import cross_similarity_loss
from keras_ssl.losses.nt_xent_loss import nt_xent_loss
from keras_ssl.objectives.contrastive.simclr import SimCLR
from keras_ssl.registry import register
from keras_ssl.training.expected_loss import ExpectedLoss
from keras_ssl.training.joined_views import join_views, part_views
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="distillation", paper="https://arxiv.org/abs/2503.03008")
class HierarchicalSelfDistillation(SimCLR):
    """A multi-exit encoder by SimCLR: every exit learns the objective, and the last exit teaches the others.

    `sum_e (k_e / depth) [NT-Xent(z_e) + w KL(p_last || p_e)]` over exits e after block `k_e`, the second part for all
    but the last. One projector serves all exits; the features of exit e have a trained vector of their own added
    before it, except at the last exit, and not with batch norm, which would subtract it. `p_e(i, j)` is the softmax
    over j of the cosines of the first view of image i and the second of image j, at the same temperature. So early
    exits give features worth using, at no cost in passes: `model.multi_exit.truncated(k)` is the encoder of the first k
    blocks. With the last exit alone this is SimCLR.

    Logged: `loss`, `exit1`, `exit2` ... (NT-Xent of each), `guided` (the weighted sum of the divergences),
    `embedding_std`.

    Args:
        encoder: a transformer of `keras_ssl.encoders` that pools its tokens, such as `ViT`.
        exits: numbers of blocks, rising to that of all. Defaults to None: all blocks.
        guide_weight: w, not negative. Defaults to 1.
        projector, temperature: as for `SimCLR`.
        batch_norm: as for `SimCLR`, each exit with its own batch statistics. Defaults to False.
        **kwargs: `views` (default: `keras_ssl.views.simclr()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if the encoder is no such transformer, or an argument is out of range.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, depth=4, image_size=16)
    model = keras_ssl.HierarchicalSelfDistillation(encoder, exits=(2, 3, 4), projector=(256, 64))
    model.compile("adam")
    model.fit(images, epochs=10)
    early = model.multi_exit.truncated(2)
    ```

    Reference:
        Gurioli et al., "One Model to Train them All: Hierarchical Self-Distillation for Enhanced Early Layer
        Embeddings", 2025. There for code, with a contrastive loss of pairs of texts; the divergence from the last exit
        and its weight are our choice.
    """

    needs_tokens: ClassVar[bool] = True
    tiny: ClassVar[dict[str, Any] | None] = {"projector": (24, 12), "temperature": 0.5}
    stored_as: ClassVar[dict[str, str]] = {"exits": "multi_exit.exits"}

    def __init__(
        self,
        encoder: keras.Model,
        exits: Sequence[int] | None = None,
        guide_weight: float = 1.0,
        projector: Sequence[int] = (2048, 128),
        temperature: float = 0.1,
        batch_norm: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, projector, temperature, batch_norm, **kwargs)
        self.multi_exit = MultiExitEncoder(self.encoder, exits, name="multi_exit")
        self.guide_weight = check_number("guide_weight", guide_weight, 0.0)
        earlier = len(self.multi_exit.exits) - 1
        self.exit_embedding = None
        if earlier and not batch_norm:  # which would subtract what all samples of an exit have in common
            self.exit_embedding = self.add_weight(
                name="exit_embedding", shape=(earlier, self.feature_dim), initializer="zeros"
            )

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops = keras.ops
        views = self.used_views(batch, step)
        features = self.multi_exit(join_views(views), training=step.training)
        found = {}
        for number, part in enumerate(features):
            if self.exit_embedding is not None and number < len(features) - 1:
                part = part + ops.cast(ops.convert_to_tensor(self.exit_embedding)[number], part.dtype)
            z = self.projector(part, training=step.training)
            found[f"first{number + 1}"], found[f"second{number + 1}"] = part_views(z, 2)
        last = len(features)
        # The last exit first: its spread is what is logged.
        return {f"{name}{last}": found.pop(f"{name}{last}") for name in ("first", "second")} | found

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        exits, depth = self.multi_exit.exits, self.multi_exit.depth
        top = embeddings[f"first{len(exits)}"], embeddings[f"second{len(exits)}"]
        loss, guided, logs = keras.ops.zeros(()), keras.ops.zeros(()), {}
        for number, block in enumerate(exits, start=1):
            pair = embeddings[f"first{number}"], embeddings[f"second{number}"]
            logs[f"exit{number}"] = nt_xent_loss(*pair, self.temperature)
            loss = loss + block / depth * logs[f"exit{number}"]
            if number < len(exits):
                guided = guided + block / depth * keras.ops.mean(cross_similarity_loss(*pair, *top, self.temperature))
        return loss + self.guide_weight * guided, {**logs, "guided": guided}

    def expected_range(self, batch_size: int) -> ExpectedLoss:
        """None where there are several exits; of the last alone that of SimCLR."""
        return super().expected_range(batch_size) if len(self.multi_exit.exits) == 1 else ExpectedLoss()
