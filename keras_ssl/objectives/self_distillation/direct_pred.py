"""DirectPred."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.layers.symmetric_predictor import SymmetricPredictor
from keras_ssl.objectives.self_distillation.byol import BYOL
from keras_ssl.registry import register
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor


@register("objective", family="self_distillation", paper="https://arxiv.org/abs/2102.06810")
class DirectPred(BYOL):
    """DirectPred: BYOL with a linear predictor that is computed from the statistics of its inputs, not learned.

    With `F = U diag(s) U^T` the running correlation matrix of the student's projections (both views of the global
    batch, not centered), the predictor is `W = U diag(p) U^T` with `p_j = sqrt(s_j) + eps max_j s_j`. No gradient
    passes through F. F and W change after each update, so that a step predicts with what the steps before it saw; in
    the first step W is the identity. The loss is BYOL's, in [0, 8]. Logged: `loss`, `momentum`, `embedding_std` (of
    the student's projection).

    Args:
        encoder: a built `keras.Model` that maps images to features `[N, F]`; it must be rebuildable from its config.
        projector: widths of the projector. Defaults to `(4096, 256)`.
        momentum: of the teacher, at the start. Defaults to `0.996`; short runs want less.
        final_momentum: at the planned end. Defaults to 1.
        output_norm: batch norm, without scale and shift, after the projector's last Dense. Defaults to False, the
            paper's. Short runs need it: all embeddings of an untrained network point one way, and a linear predictor
            that favors the strongest direction collapses onto that one.
        eps: share of the largest eigenvalue that every direction gets besides its own. Defaults to 0.1.
        convention: what `eps` means: "paper" (default), as above, or "code", `p_j = sqrt(s_j / max_j s_j) + eps` as
            the authors released it, with `eps=0.01` in their example; up to scale that is the paper's with
            `eps / sqrt(max_j s_j)`.
        correlation_momentum: weight of the past in F, in [0, 1). Defaults to 0.3.
        frequency: W is computed at every so many updates; 0 keeps the identity. Defaults to 1.
        **kwargs: `views` (default: `keras_ssl.views.byol()`), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if a momentum, `eps`, `convention` or `frequency` is out of range.

    Example:

    ```python
    model = keras_ssl.DirectPred(keras_ssl.encoders.ConvNet(), projector=(256, 64), momentum=0.97)
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Tian, Chen & Ganguli, "Understanding self-supervised Learning Dynamics without Contrastive Pairs", ICML 2021.
    """

    predictor: SymmetricPredictor

    fixed_arguments: ClassVar[tuple[str, ...]] = ("predictor",)
    stored_as: ClassVar[dict[str, str]] = {
        "eps": "predictor.eps",
        "convention": "predictor.convention",
        "correlation_momentum": "predictor.momentum",
        "frequency": "predictor.frequency",
    }

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (4096, 256),
        momentum: float = 0.996,
        final_momentum: float = 1.0,
        output_norm: bool = False,
        eps: float = 0.1,
        convention: str = "paper",
        correlation_momentum: float = 0.3,
        frequency: int = 1,
        **kwargs: Any,
    ) -> None:
        last = tuple(projector)[-1:]
        super().__init__(encoder, projector, last, momentum, final_momentum, output_norm, **kwargs)
        self.predictor = SymmetricPredictor(
            self.embedding_dim, correlation_momentum, eps, convention, frequency, name="predictor"
        )

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"output_norm": True, "convention": "code", "eps": 0.01}

    def add_predictor(self, widths: Sequence[int], **options: Any) -> None:
        """Nothing: the predictor is made in `__init__`, and none of it is learned."""

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        self.predictor.update(keras.ops.concatenate([embeddings["z1"], embeddings["z2"]], axis=0), updated)
        return super().after_step(embeddings, updated, step)
