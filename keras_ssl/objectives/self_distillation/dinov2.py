"""The objective of DINOv2."""

from collections.abc import Sequence
from typing import Any, ClassVar

import keras

from keras_ssl.objectives.self_distillation.ibot import IBOT
from keras_ssl.registry import register


@register("objective", family="self_distillation", paper="https://arxiv.org/abs/2304.07193")
class DINOv2(IBOT):
    r"""DINOv2: iBOT with a head of its own for patches, Sinkhorn-Knopp instead of centers, and KoLeo.

    `DINO + patch + koleo_weight * sum over global crops of KoLeo`, as in `IBOT`: the parts are the same, the defaults
    are those of DINOv2. KoLeo (`koleo_loss`) keeps the pooled features of the student, normalized, away from their
    nearest neighbors in the global batch; a crop is never compared with another crop of its own image. The teacher's
    distributions are shared out evenly by Sinkhorn-Knopp: those of the pooled features over each crop's batch (in the
    authors' code over both crops' together), those of the patches over all masked patches.

    Logged: as for `IBOT`.

    Args:
        encoder: a built `keras_ssl.encoders.ViT`; the authors train with `layer_scale=1e-5` and `drop_path=0.3`.
        projector: widths of both projectors; the last is the bottleneck. Defaults to `(2048, 2048, 256)`.
        out_dim: number of outputs of both heads, K. Defaults to 65536.
        mask_ratio: range of the share of masked patches. Defaults to (0.1, 0.5).
        mask_probability: with which a crop is masked at all. Defaults to 0.5.
        patch_head: whether patches have a head of their own. Defaults to True.
        koleo_weight: not negative. Defaults to 0.1.
        teacher_temperature: T_t > 0, at the end of its warm-up. Defaults to 0.07.
        sinkhorn_iterations: of the teacher's distributions. Defaults to 3.
        momentum: of the teacher, at the start. Defaults to 0.992.
        **kwargs: the other arguments of `IBOT`.

    The rates of the authors' optimizer (layer decay 0.9, patch embedding times 0.2) are no part of the objective.

    Raises:
        ValueError: as `IBOT`.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=32, depth=4, layer_scale=1e-5)
    views = keras_ssl.views.dino(local_size=16, local_copies=4, blur=False)
    model = keras_ssl.DINOv2(encoder, projector=(128, 64), out_dim=256, views=views, freeze_steps=0, momentum=0.98)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
    model.fit(images, epochs=100)
    ```

    Reference:
        Oquab et al., "DINOv2: Learning Robust Visual Features without Supervision", TMLR 2024.
    """

    # With all that may be added: `IBOT` is what trains without.
    tiny: ClassVar[dict[str, Any] | None] = {
        **(IBOT.tiny or {}),
        "nested": (1.0, 0.5),
        "regularizers": (
            {"name": "GramAnchoring", "start_steps": 1, "renew_steps": 1, "renewals": 1},
            {"name": "PaKA", "weight": 0.5, "most_patches": 4},
        ),
    }

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 2048, 256),
        out_dim: int = 65536,
        mask_ratio: Sequence[float] = (0.1, 0.5),
        mask_probability: float = 0.5,
        patch_head: bool = True,
        koleo_weight: float = 0.1,
        teacher_temperature: float = 0.07,
        sinkhorn_iterations: int = 3,
        momentum: float = 0.992,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            encoder,
            projector,
            out_dim,
            mask_ratio,
            mask_probability,
            patch_head=patch_head,
            koleo_weight=koleo_weight,
            teacher_temperature=teacher_temperature,
            sinkhorn_iterations=sinkhorn_iterations,
            momentum=momentum,
            **kwargs,
        )
