"""SimDINOv2."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.encoders.masked_tokens import check_mask_token_encoder, masked_tokens
from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.losses.masked_patch_agreement import masked_patch_agreement
from keras_ssl.objectives.joint_embedding import check_crops
from keras_ssl.objectives.self_distillation.sim_dino import SimDINO
from keras_ssl.registry import register
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor
from keras_ssl.views.masks.ratio_mask import RatioMask


@register("objective", family="self_distillation", paper="https://arxiv.org/abs/2502.10385")
class SimDINOv2(SimDINO):
    r"""SimDINOv2: SimDINO between crops, and beside it the teacher's embeddings of patches the student does not see.

    `-agreement_weight * agreement - expansion - patch_weight * patch`. The student sees the global crops with a learned
    token in the place of masked patches, and the local crops whole; the teacher sees the global crops whole. Agreement
    and expansion are those of `SimDINO`, of the pooled features. `patch` is, for each global crop, the mean cosine of
    the student's and the teacher's embeddings of each masked patch: mean over the masked patches of an image, then over
    images and crops (`masked_patch_agreement`); an image of which nothing is masked counts 0. The patches pass a head
    of their own, or that of the pooled features. There are no prototypes and no KoLeo. Masked patches have no coding
    rate of their own: the expansion keeps the pooled features apart, and the patches are pooled.

    Logged: `loss`, `agreement` and `patch` (at most 1), `expansion`, `masked` (share of masked patches), `momentum`,
    `embedding_std`.

    Args:
        encoder: a built `keras_ssl.encoders.ViT`.
        projector: widths of the projector, with GELU and no batch norm; the last is D. Defaults to `(2048, 2048, 256)`.
        mask_ratio: range of the share of masked patches, in [0, 1). Defaults to (0.1, 0.5), DINOv2's.
        mask_probability: with which a crop is masked at all. Defaults to 0.5.
        mask_shape: "block" (default) or "random", as for `RatioMask`.
        patch_weight: not negative. Defaults to 1.
        patch_head: whether patches have a head of their own. Defaults to True, as in DINOv2.
        epsilon: squared distortion of the coding rate, greater than 0. Defaults to 0.05.
        **kwargs: `global_crops`, `agreement_weight`, `expansion_with_teacher`, `batch_norm`, `momentum`,
            `final_momentum`, as for `SimDINO`; `views` (default: `keras_ssl.views.dino()` with ten local crops of 3/7
            of the side), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the encoder is no vision transformer, or a value is out of range.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=32, depth=4)
    views = keras_ssl.views.dino(local_size=16, local_copies=4, blur=False)
    model = keras_ssl.SimDINOv2(encoder, projector=(128, 64), views=views, momentum=0.98)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
    model.fit(images, epochs=100)
    ```

    Reference:
        Wu et al., "Simplifying DINO via Coding Rate Regularization", ICML 2025.
    """

    needs_tokens: ClassVar[bool] = True
    tiny: ClassVar[dict[str, Any] | None] = {"projector": (24, 12), "mask_probability": 0.8, "momentum": 0.9}
    stored_as: ClassVar[dict[str, str]] = {
        "mask_ratio": "mask.ratio",
        "mask_probability": "mask.probability",
        "mask_shape": "mask.shape",
    }

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 2048, 256),
        mask_ratio: Sequence[float] = (0.1, 0.5),
        mask_probability: float = 0.5,
        mask_shape: str = "block",
        patch_weight: float = 1.0,
        patch_head: bool = True,
        epsilon: float = 0.05,
        **kwargs: Any,
    ) -> None:
        check_mask_token_encoder(encoder, type(self).__name__)
        self._own_head = bool(patch_head)  # read by `add_teacher`, which SimDINO calls
        super().__init__(encoder, projector, epsilon=epsilon, **kwargs)
        self.mask = RatioMask(mask_ratio, mask_probability, mask_shape)
        self.patch_weight = check_number("patch_weight", patch_weight, 0.0)
        self.mask_token = self.add_weight(name="mask_token", shape=(encoder.token_width,), initializer=SmallNormal())

    @property
    def patch_head(self) -> bool:
        return self.patch_projector is not None

    def add_teacher(self, momentum: float, final_momentum: float | None) -> None:
        self.patch_projector: Any = None
        if self._own_head:
            copied = self.projector.get_config()
            options = {name: copied[name] for name in ("activation", "batch_norm", "hidden_bias", "output_bias")}
            width = self.encoder.token_width
            self.patch_projector = self.head("patch_projector", self.projector.widths, width, **options)
        elif self.feature_dim != self.encoder.token_width:
            raise ValueError(
                "Features must be as wide as tokens for one head, or `patch_head` be True. "
                f"Received: features of width {self.feature_dim}, tokens of width {self.encoder.token_width}"
            )
        super().add_teacher(momentum, final_momentum)

    @property
    def student(self) -> list[keras.layers.Layer]:
        return [*super().student, *([] if self.patch_projector is None else [self.patch_projector])]

    def default_views(self) -> Callable[..., list[Tensor]]:
        size, patch = self.encoder.image_size, self.encoder.patch_size
        local = max(patch, size * 3 // 7 // patch * patch)
        return view_ops.dino(size, local, local_copies=10)

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, training, count = keras.ops, step.training, self.global_crops
        views = self.used_views(batch, step)
        check_crops(views, count)
        stream, grid = step.stream(), self.encoder.grid(views[0].shape)
        places, chosen, hidden = self.mask.draw_times(stream, grid, count)
        crops = ops.concatenate(views[:count], axis=0)
        tokens = self.encoder.encode(masked_tokens(self.encoder, crops, hidden, self.mask_token), training=training)
        local = [self.encoder(view, training=training) for view in views[count:]]
        pooled = ops.concatenate([self.encoder.pool(tokens), *local], axis=0)
        students = ops.split(self.projector(pooled, training=training), len(views), axis=0)
        encoder, project, *own = self.teacher.modules
        seen = encoder.encode(encoder.tokens(crops), training=training)
        teachers = ops.stop_gradient(project(encoder.pool(seen), training=training))
        head = self.projector if self.patch_projector is None else self.patch_projector
        prefix = self.encoder.prefix
        mine = _patches(head, tokens[:, prefix:], places, training)
        theirs = _patches(own[0] if own else project, seen[:, prefix:], places, training)
        made = {f"z{number}": view for number, view in enumerate(students, start=1)}
        parts = {
            "t": teachers,
            "patch": masked_patch_agreement(mine, theirs, chosen),
            "share": ops.mean(hidden, axis=1),
        }
        for name, part in parts.items():
            made |= {f"{name}{number}": view for number, view in enumerate(ops.split(part, count, axis=0), start=1)}
        return made

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        loss, logs = super().objective(embeddings, step)
        patch, masked = (
            keras.ops.mean(
                keras.ops.concatenate([embeddings[f"{name}{n}"] for n in range(1, self.global_crops + 1)], axis=0)
            )
            for name in ("patch", "share")
        )
        return loss - self.patch_weight * patch, {**logs, "patch": patch, "masked": masked}


def _patches(head: keras.layers.Layer, tokens: Tensor, places: Tensor, training: bool) -> Tensor:
    """The embeddings `[n, M, D]` of some patches of `[n, T, E]`."""
    ops = keras.ops
    seen = ops.take_along_axis(tokens, places[:, :, None], axis=1)
    flat = head(ops.reshape(seen, (-1, seen.shape[2])), training=training)
    return ops.reshape(flat, (-1, places.shape[1], flat.shape[1]))
