"""SimMIM with mask tokens that are unlike data before the encoder and like data after it."""

from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.losses.masked_errors import masked_absolute_error
from keras_ssl.losses.token_heterogeneity import patch_heterogeneity, token_heterogeneity
from keras_ssl.objectives.masked.sim_mim import SimMIM
from keras_ssl.registry import register
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="masked", paper="https://arxiv.org/abs/2404.08330")
class MaskedTokenOptimization(SimMIM):
    r"""SimMIM, whose mask tokens are to differ from patches at the encoder's input, and to be like them at its output.

    `SimMIM + weight * (singularity + agreement)`. With H the heterogeneity of hidden and visible tokens of an image,
    from 0 to 1 (`keras_ssl.losses.token_heterogeneity`): `singularity` is `1 - H` before the first block, where a mask
    token should be told from data at once; `agreement` is H after the last block, where it should stand for a patch.
    With `recalibrate`, hidden patches weigh in SimMIM's error by how far their encoded tokens still are from the
    visible ones, `patch_heterogeneity` over its mean over the hidden patches of the image; no gradient flows through
    that.

    With weight 0 this is `SimMIM`, bit for bit. Where nothing is hidden, both losses are 0. Logged: `loss`,
    `reconstruction`, `singularity`, `agreement`, `embedding_std` of the features of the masked image.

    The loss is a mean over samples: nothing of it is gathered across replicas.

    **This is not the paper's method to the letter.** Its three losses and its recalibration were not to be had, and
    there is no public code. What the abstract names is kept: an entropy-based heterogeneity of masked and visible
    tokens, mask tokens that are singular among data, a recalibration of weights. The formulas are this library's own.

    Args:
        encoder: a built `keras_ssl.encoders.ViT`.
        weight: of both losses, not negative. Defaults to 0.1.
        recalibrate: whether hidden patches are weighed, where `weight` is not 0. Defaults to True.
        mask_ratio: share of hidden squares, in [0, 1). Defaults to 0.6.
        unit: side of a square in patches. Defaults to 2.
        **kwargs: `views` (default: those of `SimMIM`), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the encoder is no vision transformer or an argument is out of range.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=32, depth=4)
    model = keras_ssl.MaskedTokenOptimization(encoder)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
    model.fit(images, epochs=50)
    ```

    Reference:
        Choi et al., "Emerging Property of Masked Token for Effective Pre-training", ECCV 2024.
    """

    takes_maps: ClassVar[bool] = False  # it compares tokens before the first block with those after the last
    tiny: ClassVar[dict[str, Any] | None] = {"mask_ratio": 0.5}

    def __init__(
        self,
        encoder: keras.Model,
        weight: float = 0.1,
        recalibrate: bool = True,
        mask_ratio: float = 0.6,
        unit: int = 2,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, mask_ratio, unit, **kwargs)
        self.weight = check_number("weight", weight, 0.0)
        self.recalibrate = bool(recalibrate)

    def token_measures(self, tokens: Tensor, encoded: Tensor, hidden: Tensor) -> dict[str, Tensor]:
        if not self.weight:
            return {}
        ops, prefix = keras.ops, self.encoder.prefix
        made = {
            "input_heterogeneity": token_heterogeneity(tokens[:, prefix:], hidden),
            "output_heterogeneity": token_heterogeneity(encoded[:, prefix:], hidden),
        }
        if self.recalibrate:
            apart = hidden * ops.stop_gradient(patch_heterogeneity(encoded[:, prefix:], hidden))
            count, total = ops.sum(hidden, axis=1, keepdims=True), ops.sum(apart, axis=1, keepdims=True)
            # Where no patch is apart, all weigh alike.
            made["importance"] = ops.where(total > 1e-6, apart * count / ops.maximum(total, 1e-6), hidden)
        return made

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        if not self.weight:
            return super().sample_terms(embeddings, step)
        ops, hidden = keras.ops, embeddings["hidden"]
        errors = masked_absolute_error(
            embeddings["prediction"], embeddings["target"], embeddings.get("importance", hidden)
        )
        present = ops.cast(ops.max(hidden, axis=1) > 0.0, "float32")
        return {
            "reconstruction": Term(errors),
            "singularity": Term(present * (1.0 - embeddings["input_heterogeneity"]), None, self.weight),
            "agreement": Term(embeddings["output_heterogeneity"], None, self.weight),
        }
