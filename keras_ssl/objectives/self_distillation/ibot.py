"""iBOT."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.checkpoints.run_layout import RunLayout
from keras_ssl.encoders.masked_tokens import check_mask_token_encoder, masked_tokens
from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.layers.centering import Centering
from keras_ssl.layers.nested_heads import level_parts
from keras_ssl.layers.patch_regularizers import as_regularizers, as_tables
from keras_ssl.losses.koleo_loss import koleo_loss
from keras_ssl.losses.patch_loss import masked_patch_loss
from keras_ssl.losses.sinkhorn import sinkhorn
from keras_ssl.objectives.joint_embedding import check_crops
from keras_ssl.objectives.self_distillation.dino import DINO
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor
from keras_ssl.views.masks.ratio_mask import RatioMask


@register("objective", family="self_distillation", paper="https://arxiv.org/abs/2111.07832")
class IBOT(DINO):
    r"""iBOT: DINO between crops, and beside it the teacher's distributions of patches that the student does not see.

    `class_weight * DINO + patch_weight * patch`. The student sees the global crops with a learned token in the place of
    masked patches, and the local crops whole; the teacher sees the global crops whole. DINO is that of the pooled
    features across crops. `patch` is, for each global crop, the cross-entropy between the teacher's distribution and
    the student's of each masked patch of the same crop: mean over the masked patches of an image, then over images and
    crops (`masked_patch_loss`); an image of which nothing is masked counts 0. The patches pass the same head as the
    pooled features, or one of their own, and have a center of their own: the running mean of the teacher's outputs of
    all patches.

    Logged: `loss`, `whole` (DINO's; chance value `log out_dim`), `patch`, `masked` (share of masked patches), `koleo`
    (where its weight is not 0), `gram` and `patch_kernel` (of the regularizers), `teacher_entropy`,
    `teacher_temperature`, `momentum`, `embedding_std`.

    Args:
        encoder: a built `keras_ssl.encoders.ViT`; its pooled features are what DINO compares.
        projector: widths of the projector; the last is the bottleneck. Defaults to `(2048, 2048, 256)`.
        out_dim: number of outputs, K. Defaults to 8192.
        mask_ratio: range of the share of masked patches, in [0, 1). Defaults to (0.1, 0.5).
        mask_probability: with which a crop is masked at all. Defaults to 0.5.
        mask_shape: "block" (default) or "random", as for `RatioMask`; the authors' larger encoders have "random".
        class_weight: not negative. Defaults to 1.
        patch_weight: not negative. Defaults to 1.
        patch_head: whether patches have a head of their own. Defaults to False.
        koleo_weight: weight of the sum over global crops of KoLeo of the student's pooled features (`koleo_loss`).
            Defaults to 0.
        teacher_temperature: T_t > 0, at the end of its warm-up. Defaults to 0.07.
        sinkhorn_iterations: above 0, the teacher's distributions are made even by Sinkhorn-Knopp instead of the
            centers: those of the pooled features over each crop's global batch, those of the patches over all masked
            patches of both crops. Defaults to 0.
        regularizers: further terms of the patches, such as `keras_ssl.layers.GramAnchoring()` and
            `keras_ssl.layers.PaKA()`, or tables with their `name` and arguments, as a recipe has them. Of each the mean
            over images and global crops counts, times its weight. Defaults to none.
        **kwargs: `global_crops`, `nested`, `student_temperature`, `warmup_temperature`, `warmup_steps`, `freeze_steps`,
            `batch_norm`, `output_norm`, `center_momentum`, `momentum`, `final_momentum`, as for `DINO`; `views`
            (default: DINO's with ten local crops of 3/7 of the side, scales .25 to 1 and .05 to .25), `preprocessing`,
            `seed`, `name`, `dtype`, as for `SSLModel`.

    Across replicas the outputs of the masked patches are gathered, `[N, M, K]`: a large K costs much.

    Raises:
        ValueError: if the encoder is no vision transformer, or a value is out of range.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=32, depth=4)
    views = keras_ssl.views.dino(local_size=16, local_copies=4, blur=False)
    model = keras_ssl.IBOT(encoder, projector=(128, 64), out_dim=256, views=views, freeze_steps=0, momentum=0.98)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
    model.fit(images, epochs=100)
    ```

    Reference:
        Zhou et al., "iBOT: Image BERT Pre-Training with Online Tokenizer", ICLR 2022.
    """

    run_layout: ClassVar[RunLayout] = replace(
        DINO.run_layout,
        layers={
            **DINO.run_layout.layers,
            "mask_token": "student.backbone.masked_embed",
            "centering_0/center": "ibot_loss.center",
            "patch_centering/center": "ibot_loss.center2",
        },
        same=((r"(\w+\.head\.last_layer)2(\..*)", r"\1\2"),),  # one head for the whole image and its patches
    )
    needs_tokens: ClassVar[bool] = True
    tiny: ClassVar[dict[str, Any] | None] = {
        "projector": (24, 24, 12),
        "out_dim": 10,
        "mask_probability": 0.8,
        "freeze_steps": 0,
        "momentum": 0.9,
    }
    expected_range = SSLModel.expected_range  # of the sum of both parts theory says nothing
    stored_as: ClassVar[dict[str, str]] = {
        "mask_ratio": "mask.ratio",
        "mask_probability": "mask.probability",
        "mask_shape": "mask.shape",
        "regularizers": "regularizer_tables",
    }

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (2048, 2048, 256),
        out_dim: int = 8192,
        mask_ratio: Sequence[float] = (0.1, 0.5),
        mask_probability: float = 0.5,
        mask_shape: str = "block",
        class_weight: float = 1.0,
        patch_weight: float = 1.0,
        patch_head: bool = False,
        koleo_weight: float = 0.0,
        teacher_temperature: float = 0.07,
        sinkhorn_iterations: int = 0,
        regularizers: Sequence[Any] = (),
        **kwargs: Any,
    ) -> None:
        check_mask_token_encoder(encoder, type(self).__name__)
        # Read by `add_teacher`, which DINO calls.
        self._patch_head = (bool(patch_head), tuple(projector), out_dim)
        super().__init__(
            encoder,
            projector,
            out_dim,
            teacher_temperature=teacher_temperature,
            sinkhorn_iterations=sinkhorn_iterations,
            **kwargs,
        )
        self.mask = RatioMask(mask_ratio, mask_probability, mask_shape)
        self.class_weight = check_number("class_weight", class_weight, 0.0)
        self.patch_weight = check_number("patch_weight", patch_weight, 0.0)
        self.koleo_weight = check_number("koleo_weight", koleo_weight, 0.0)
        self.mask_token = self.add_weight(name="mask_token", shape=(encoder.token_width,), initializer=SmallNormal())
        self.patch_centering = Centering(sum(self.counts), self.centering.momentum, name="patch_centering")
        self.regularizers = as_regularizers(regularizers)
        for regularizer in self.regularizers:
            regularizer.attach(encoder)

    @property
    def patch_head(self) -> bool:
        return self.patch_projector is not None

    @property
    def regularizer_tables(self) -> list[dict[str, Any]]:
        return as_tables(self.regularizers)

    def add_teacher(self, momentum: float, final_momentum: float | None) -> None:
        own, widths, out_dim = self._patch_head
        self.patch_projector: Any = None
        if own:
            copied = self.projector.get_config()
            options = {name: copied[name] for name in ("activation", "batch_norm", "hidden_bias", "output_bias")}
            self.patch_projector = self.head(
                "patch_projector",
                widths,
                self.encoder.token_width,
                output_norm=copied["output_norm"],
                **options,
            )
            freeze_steps = self.last_layer.freeze_steps
            self.patch_last_layer = self.prototypes("patch_last_layer", out_dim, widths[-1], freeze_steps)
        elif self.feature_dim != self.encoder.token_width:
            raise ValueError(
                "Features must be as wide as tokens for one head, or `patch_head` be True. "
                f"Received: features of width {self.feature_dim}, tokens of width {self.encoder.token_width}"
            )
        super().add_teacher(momentum, final_momentum)

    @property
    def student(self) -> list[keras.layers.Layer]:
        own = [] if self.patch_projector is None else [self.patch_projector, self.patch_last_layer]
        return [*super().student, *own]

    def default_views(self) -> Callable[..., list[Tensor]]:
        size, patch = self.encoder.image_size, self.encoder.patch_size
        local = max(patch, size * 3 // 7 // patch * patch)
        return view_ops.dino(size, local, local_copies=10, global_scale=(0.25, 1.0), local_scale=(0.05, 0.25))

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, training, count = keras.ops, step.training, self.global_crops
        views = self.used_views(batch, step)
        check_crops(views, count)
        stream, grid = step.stream(), self.encoder.grid(views[0].shape)
        places, chosen, hidden = self.mask.draw_times(stream, grid, count)
        crops = ops.concatenate(views[:count], axis=0)
        tokens = self.encoder.encode(masked_tokens(self.encoder, crops, hidden, self.mask_token), training=training)
        pooled = self.encoder.pool(tokens)
        local = [self.encoder(view, training=training) for view in views[count:]]
        bottlenecks = self.projector(ops.concatenate([pooled, *local], axis=0), training=training)
        updates = step.updates if training and self.last_layer.freeze_steps else None
        students = ops.split(self.last_layer(bottlenecks, updates=updates), len(views), axis=0)
        seen = ops.take_along_axis(tokens[:, self.encoder.prefix :], places[:, :, None], axis=1)
        own = self.patch_projector is not None
        head = [self.patch_projector, self.patch_last_layer] if own else [self.projector, self.last_layer]
        patches = _outputs(head, seen, training, updates)
        wanted, all_patches, taught = self._teach(crops, training)
        made = {"z1": ops.stop_gradient(ops.split(bottlenecks, len(views), axis=0)[0])}
        made |= {f"s{number}": view for number, view in enumerate(students, start=1)}
        parts = {
            "t": wanted,
            "patch_student": patches,
            "patch_teacher": ops.take_along_axis(all_patches, places[:, :, None], axis=1),
            "patch_mean": ops.mean(all_patches, axis=1),
            "chosen": chosen,
            "share": ops.mean(hidden, axis=1),
            "pooled": pooled,
        }
        patch_tokens = tokens[:, self.encoder.prefix :]
        for regularizer, name in zip(self.regularizers, self._regularizer_names(), strict=True):
            parts[name] = regularizer.values(patch_tokens, taught, crops)
        for name, part in parts.items():
            made |= {f"{name}{number}": view for number, view in enumerate(ops.split(part, count, axis=0), start=1)}
        return made

    def _regularizer_names(self) -> list[str]:
        return [f"regularizer{place}_" for place in range(len(self.regularizers))]

    def _teach(self, crops: Tensor, training: bool) -> tuple[Tensor, Tensor, Tensor]:
        """The teacher's outputs of crops, `[n, K]`, and of all their patches, `[n, T, K]`; and these, `[n, T, D]`."""
        encoder, *heads = self.teacher.modules
        tokens = encoder.encode(encoder.tokens(crops), training=training)
        whole = heads[1](heads[0](encoder.pool(tokens), training=training))
        taught = tokens[:, encoder.prefix :]
        patches = _outputs(heads[-2:], taught, training, None)
        stop = keras.ops.stop_gradient
        return stop(whole), stop(patches), stop(taught)

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops, crops = keras.ops, range(1, self.global_crops + 1)
        temperature = self._temperature(step)
        students = [embeddings[f"s{n}"] for n in range(1, len(embeddings) + 1) if f"s{n}" in embeddings]
        teachers = [embeddings[f"t{n}"] for n in crops]
        whole, target = self.class_loss(students, teachers, temperature)
        chosen = ops.concatenate([embeddings[f"chosen{n}"] for n in crops], axis=0)
        outputs = ops.concatenate([embeddings[f"patch_student{n}"] for n in crops], axis=0)
        wanted = ops.concatenate([embeddings[f"patch_teacher{n}"] for n in crops], axis=0)
        patch = ops.mean(self._patch_losses(outputs, wanted, chosen, temperature))
        loss = self.class_weight * whole + self.patch_weight * patch
        logs: Logs = {
            "whole": whole,
            "patch": patch,
            "masked": ops.mean(ops.concatenate([embeddings[f"share{n}"] for n in crops], axis=0)),
            "teacher_entropy": -ops.mean(ops.sum(target * ops.log(target + 1e-12), axis=1)),
            "teacher_temperature": temperature,
        }
        if self.koleo_weight:
            koleo = sum(koleo_loss(embeddings[f"pooled{n}"]) for n in crops)
            loss, logs = loss + self.koleo_weight * koleo, {**logs, "koleo": koleo}
        for regularizer, name in zip(self.regularizers, self._regularizer_names(), strict=True):
            value = ops.mean(ops.concatenate([embeddings[f"{name}{n}"] for n in crops], axis=0))
            loss, logs = loss + regularizer.coefficient(step.updates) * value, {**logs, regularizer.log: value}
        return loss, logs

    def _patch_losses(self, outputs: Tensor, wanted: Tensor, chosen: Tensor, temperature: Tensor) -> Tensor:
        """The loss of masked patches for each sample, the sum over nested heads."""
        center = level_parts(keras.ops.convert_to_tensor(self.patch_centering.center), self.counts)
        levels = zip(level_parts(outputs, self.counts), level_parts(wanted, self.counts), center, strict=True)
        losses = [
            masked_patch_loss(
                student,
                self._patch_distributions(teacher, chosen, temperature, middle),
                chosen,
                self.student_temperature,
            )
            for student, teacher, middle in levels
        ]
        return sum(losses[1:], losses[0])

    def _patch_distributions(self, outputs: Tensor, chosen: Tensor, temperature: Tensor, center: Tensor) -> Tensor:
        """The teacher's distributions of masked patches by one head, `[n, M, K]`."""
        ops = keras.ops
        if not self.sinkhorn_iterations:
            return ops.softmax((outputs - center) / temperature, axis=-1)
        flat = ops.reshape(outputs, (-1, outputs.shape[-1])) / temperature
        even = sinkhorn(flat, 1.0, self.sinkhorn_iterations, present=ops.reshape(chosen, (-1,)) > 0.5)
        return ops.reshape(even, (-1, *outputs.shape[1:]))

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        means = [embeddings[f"patch_mean{number}"] for number in range(1, self.global_crops + 1)]
        self.patch_centering.update(keras.ops.concatenate(means, axis=0), updated)
        logs = super().after_step(embeddings, updated, step)
        for regularizer in self.regularizers:
            regularizer.follow(self.teacher.modules[0], step.updates, updated)
        return logs

    def before_first_step(self) -> None:
        super().before_first_step()
        for regularizer in self.regularizers:
            regularizer.begin(self.encoder)


def _outputs(head: Sequence[Any], tokens: Tensor, training: bool, updates: Tensor | None) -> Tensor:
    """The outputs `[n, T, K]` of a projector and a last layer for tokens `[n, T, D]`."""
    ops = keras.ops
    flat = head[0](ops.reshape(tokens, (-1, tokens.shape[-1])), training=training)
    found = head[1](flat, updates=updates)
    return ops.reshape(found, (-1, tokens.shape[1], found.shape[-1]))
