"""Masked siamese networks."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.encoders.token_encoder import check_token_encoder
from keras_ssl.layers.prototypes import Prototypes
from keras_ssl.losses.msn_loss import msn_terms
from keras_ssl.losses.numeric import check_integer
from keras_ssl.objectives.joint_embedding import TeacherStudent
from keras_ssl.registry import register
from keras_ssl.training.joined_views import join_views, part_views
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor
from keras_ssl.views.masks import RandomMask


@register("objective", family="self_distillation", paper="https://arxiv.org/abs/2204.07141")
class MSN(TeacherStudent):
    r"""MSN: a view of which some patches are left out is assigned to the same prototypes as another, whole view.

    `CE(sharpen(p(target)), p(anchor)) - entropy_weight * H(mean p(anchor))` (`msn_terms`), with
    `p(z) = softmax(cos(z, prototypes) / T)`. The first view is the target, which a momentum teacher sees whole. The
    second to the `masked_views + 1`-th are anchors of which the encoder sees a random part of the patches; all further
    views are smaller crops (focal views), seen whole. The prototypes learn by the anchors alone. The entropy of the
    mean assignment, over the global batch, keeps all prototypes in use.

    Logged: `loss`, `cross_entropy`, `entropy` (at most `log prototypes`), `momentum`, `embedding_std`.

    Args:
        encoder: a built `TokenEncoder` of images, such as `keras_ssl.encoders.ViT`.
        projector: widths of the projector, with batch norm; the last is that of the prototypes. Defaults to
            `(2048, 2048, 256)`.
        prototypes: their number, K. Defaults to 1024.
        mask_ratio: share of the patches that a masked anchor lacks, in [0, 1). Defaults to 0.15, the authors' for
            ViT-S; they take up to 0.7 for larger encoders.
        masked_views: number of masked anchors. Defaults to 1.
        temperature: T > 0. Defaults to 0.1.
        sharpening: S > 0: targets are raised to the power 1 / S. Defaults to 0.25.
        sinkhorn_iterations: iterations of Sinkhorn-Knopp on the targets; 0 is none. Defaults to 3, as in the authors'
            code.
        entropy_weight: not negative. Defaults to 1.
        momentum: of the teacher, at the start. Defaults to 0.996; short runs want less.
        final_momentum: at the planned end, along a cosine (the authors' rises linearly). Defaults to 1.
        **kwargs: `views` (default: two global crops and ten focal ones of 3/7 of the side, with SwAV's colors),
            `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the encoder is no `TokenEncoder`, or an argument is out of range.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=32, depth=4)
    views = keras_ssl.views.swav(local_size=16, local_copies=4, blur=False)
    model = keras_ssl.MSN(encoder, projector=(256, 64), prototypes=128, momentum=0.98, views=views)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
    model.fit(images, epochs=100)
    ```

    Reference:
        Assran et al., "Masked Siamese Networks for Label-Efficient Learning", ECCV 2022.
    """

    needs_tokens: ClassVar[bool] = True
    all_views: ClassVar[bool] = True
    tiny: ClassVar[dict[str, Any] | None] = {
        "projector": (24, 12),
        "prototypes": 10,
        "mask_ratio": 0.4,
        "momentum": 0.9,
    }
    stored_as: ClassVar[dict[str, str]] = {"prototypes": "prototypes.count", "mask_ratio": "mask.ratio"}

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 2048, 256),
        prototypes: int = 1024,
        mask_ratio: float = 0.15,
        masked_views: int = 1,
        temperature: float = 0.1,
        sharpening: float = 0.25,
        sinkhorn_iterations: int = 3,
        entropy_weight: float = 1.0,
        momentum: float = 0.996,
        final_momentum: float | None = 1.0,
        **kwargs: Any,
    ) -> None:
        check_token_encoder(encoder, type(self).__name__)
        super().__init__(encoder, **kwargs)
        self.mask = RandomMask(mask_ratio)
        self.masked_views = check_integer("masked_views", masked_views, 0)
        self.temperature = check_number("temperature", temperature, 0.0, above=True)
        self.sharpening = check_number("sharpening", sharpening, 0.0, above=True)
        self.sinkhorn_iterations = check_integer("sinkhorn_iterations", sinkhorn_iterations, 0)
        self.entropy_weight = check_number("entropy_weight", entropy_weight, 0.0)
        self.add_projector(projector, hidden_bias=True, output_bias=True)
        self.prototypes = Prototypes(prototypes, self.embedding_dim, name="prototypes")
        self.add_teacher(momentum, final_momentum)

    def default_views(self) -> Callable[..., list[Tensor]]:
        size, patch = self.encoder.image_size, self.encoder.patch_size
        focal = max(patch, size * 3 // 7 // patch * patch)
        return view_ops.swav(size, focal, local_copies=10, global_scale=(0.3, 1.0), local_scale=(0.05, 0.3))

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, stream = keras.ops, step.stream()
        target, *anchors = self.used_views(batch, step)
        features = []
        for number, view in enumerate(anchors):
            if number < self.masked_views:
                keep = self.mask(stream, self.encoder.grid(view.shape))
                tokens = self.encoder.encode(self.encoder.tokens(view), keep, training=step.training)
                features.append(self.encoder.pool(tokens))
            else:
                features.append(self.encoder(view, training=step.training))
        z = self.projector(join_views(features), training=step.training)
        cosines = part_views(self.prototypes(z), len(anchors))
        wanted = ops.stop_gradient(self.prototypes(self.teacher(target, training=step.training)))
        return {
            "z1": ops.stop_gradient(part_views(z, len(anchors))[0]),
            "target": wanted,
            **{f"anchor{number}": part for number, part in enumerate(cosines, start=1)},
        }

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        anchors = [part for name, part in embeddings.items() if name.startswith("anchor")]
        cross_entropy, entropy = msn_terms(
            anchors, embeddings["target"], self.temperature, self.sharpening, self.sinkhorn_iterations
        )
        loss = cross_entropy - self.entropy_weight * entropy
        return loss, {"cross_entropy": cross_entropy, "entropy": entropy}
