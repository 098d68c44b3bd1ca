"""I-JEPA."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras

from keras_ssl import views as view_ops
from keras_ssl.checkpoints.run_layout import RunLayout
from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.encoders.token_encoder import check_token_encoder
from keras_ssl.encoders.token_sequence import sincos_positions
from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.layers.transformer_block import TransformerBlock
from keras_ssl.losses.masked_errors import smooth_absolute_error
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor
from keras_ssl.views.masks.multi_block_mask import MultiBlockMask


@register("objective", family="masked", paper="https://arxiv.org/abs/2301.08243")
class IJEPA(SSLModel):
    r"""I-JEPA: from a part of an image, predict a momentum teacher's tokens of blocks that are not in it.

    The encoder sees the context: patches outside of all targets. The teacher sees the whole image; the targets are its
    tokens in `targets` rectangular blocks, each normalized to mean 0 and variance 1 over its width (a layer
    normalization without weights). A narrow transformer, the predictor, gets the context's tokens with fixed positions
    and, for one target at a time, a learned token with the position of each of its patches. The loss is the smooth
    absolute error, `mean over targets, patches and width` (`smooth_absolute_error` with beta 1). Logged: `loss`,
    `prediction` (the same), `momentum`, `embedding_std` of the teacher's features.

    The loss is a mean over samples: nothing of it is gathered across replicas. Sizes of blocks are fixed, see
    `MultiBlockMask`; the authors draw them from ranges.

    Args:
        encoder: a built `TokenEncoder` of square images, such as
            `keras_ssl.encoders.ViT("H", 14, position="sincos", class_token=False, pooling="mean")`.
        target: share of the patches in a target, in (0, 1). Defaults to 0.175; the authors draw from .15 to .2.
        targets: number of targets. Defaults to 4.
        aspect: longer over shorter side of a target, at least 1. Defaults to 4/3; the authors draw from .75 to 1.5.
        context: share of the patches in the block in which the context lies, in (0, 1]. Defaults to 1; the authors draw
            from .85 to 1.
        predictor_width: width of the predictor, a multiple of 4. Defaults to 384.
        predictor_depth: blocks of the predictor. Defaults to 12.
        predictor_heads: heads of the predictor, which must divide its width. Defaults to 12.
        momentum: of the teacher at the start, in [0, 1]. Defaults to 0.996.
        final_momentum: at the planned end; None keeps `momentum`. Defaults to 1. It rises along a cosine; the authors'
            rises linearly.
        **kwargs: `views` (default: a random crop of .3 to 1 of the image), `preprocessing`, `seed`, `name`, `dtype`, as
            for `SSLModel`.

    Raises:
        ValueError: if the encoder is no `TokenEncoder`, an argument is out of range, or images are not square.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT(
        "Ti", patch_size=4, image_size=32, depth=4, position="sincos", class_token=False, pooling="mean"
    )
    model = keras_ssl.IJEPA(encoder, predictor_width=96, predictor_depth=3, predictor_heads=4)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
    model.fit(images, epochs=100)
    ```

    Reference:
        Assran et al., "Self-Supervised Learning from Images with a Joint-Embedding Predictive Architecture", CVPR 2023.
    """

    scope: ClassVar[str] = "sample"
    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    run_layout: ClassVar[RunLayout] = RunLayout(
        "encoder",
        {
            "mask_token": "predictor.mask_token",
            "predictor_embedding": "predictor.predictor_embed",
            "predictor_block": "predictor.predictor_blocks",
            "predictor_norm": "predictor.predictor_norm",
            "predictor_output": "predictor.predictor_proj",
        },
        "target_encoder",
        ignored=(r"predictor\.predictor_pos_embed",),  # fixed
    )
    tiny: ClassVar[dict[str, Any] | None] = {
        "targets": 2,
        "predictor_width": 16,
        "predictor_depth": 1,
        "predictor_heads": 2,
        "momentum": 0.9,
    }
    stored_as: ClassVar[dict[str, str]] = {
        **{name: f"mask.{name}" for name in ("target", "targets", "aspect", "context")},
        "momentum": "teacher.momentum",
        "final_momentum": "teacher.final_momentum",
    }

    def __init__(
        self,
        encoder: keras.Model,
        target: float = 0.175,
        targets: int = 4,
        aspect: float = 4.0 / 3.0,
        context: float = 1.0,
        predictor_width: int = 384,
        predictor_depth: int = 12,
        predictor_heads: int = 12,
        momentum: float = 0.996,
        final_momentum: float | None = 1.0,
        **kwargs: Any,
    ) -> None:
        check_token_encoder(encoder, type(self).__name__)
        super().__init__(encoder, **kwargs)
        self.mask = MultiBlockMask(target, targets, aspect, context)
        width = self.predictor_width = check_integer("predictor_width", predictor_width, 4)
        sincos_positions(1, width)  # raises for a width that is no multiple of 4
        self.predictor_depth = check_integer("predictor_depth", predictor_depth, 1)
        self.predictor_heads = check_integer("predictor_heads", predictor_heads, 1)
        self.predictor_embedding = keras.layers.Dense(width, name="predictor_embedding")
        self.predictor_embedding.build((None, None, encoder.token_width))
        self.mask_token = self.add_weight(name="mask_token", shape=(width,), initializer=SmallNormal())
        self.predictor_blocks = [
            TransformerBlock(self.predictor_heads, name=f"predictor_block{number}")
            for number in range(1, self.predictor_depth + 1)
        ]
        self.predictor_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="predictor_norm")
        for layer in (*self.predictor_blocks, self.predictor_norm):
            layer.build((None, None, width))
        self.predictor_output = keras.layers.Dense(encoder.token_width, name="predictor_output")
        self.predictor_output.build((None, None, width))
        self.teacher = EMATeacher([encoder], momentum, final_momentum, name="teacher")

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"target": 0.25, "targets": 2, "aspect": 1.0}  # blocks of a grid of few patches

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.MultiView([view_ops.RandomResizedCrop(self.encoder.image_size, scale=(0.3, 1.0))])

    def before_first_step(self) -> None:
        self.teacher.begin([self.encoder])

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, images = keras.ops, self.make_views(batch, step)[0]
        grid = self.encoder.grid(images.shape)
        if grid[0] != grid[1]:
            raise ValueError(f"The images of I-JEPA must be square. Received: {grid[0]} x {grid[1]} patches")
        context, targets = self.mask.split(step.stream(), grid)
        seen = self.encoder.encode(self.encoder.tokens(images), context, training=step.training)
        teacher = self.teacher.modules[0]
        whole = ops.stop_gradient(teacher.encode(teacher.tokens(images), training=step.training))
        places = ops.reshape(targets, (-1, targets.shape[1] * targets.shape[2], 1))
        wanted = ops.take_along_axis(whole[:, teacher.prefix :], places, axis=1)
        return {
            "features": ops.stop_gradient(teacher.pool(whole)),
            "prediction": self.predict_tokens(seen[:, self.encoder.prefix :], context, targets, grid),
            "target": standardized_tokens(wanted),
        }

    def predict_tokens(self, seen: Tensor, context: Tensor, targets: Tensor, grid: tuple[int, ...]) -> Tensor:
        """The predicted tokens of the targets' patches, `[N, targets * M, D]`.

        Args:
            seen: the encoder's tokens of the context, `[N, K, D]`.
            context: numbers of its patches, int32 `[N, K]`.
            targets: numbers of the patches to predict, int32 `[N, targets, M]`.
            grid: rows and columns of the patches.
        """
        ops = keras.ops
        x = self.predictor_embedding(seen)
        table = ops.cast(sincos_positions(grid[0], self.predictor_width)[1:], x.dtype)
        x = x + _rows(table, context)
        count, size = targets.shape[1:]
        queries = _rows(table, ops.reshape(targets, (-1, size))) + ops.cast(self.mask_token, x.dtype)
        # Each target is predicted by itself: a row for each.
        x = ops.concatenate([ops.repeat(x, count, axis=0), queries], axis=1)
        for block in self.predictor_blocks:
            x = block(x)
        predicted = self.predictor_output(self.predictor_norm(x[:, -size:]))
        return ops.reshape(predicted, (-1, count * size, predicted.shape[-1]))

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        return {"prediction": Term(smooth_absolute_error(embeddings["prediction"], embeddings["target"]))}

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        return {"momentum": self.teacher.update([self.encoder], step.updates, step.total_updates, updated)}


def standardized_tokens(tokens: Tensor, epsilon: float = 1e-5) -> Tensor:
    """Tokens `[N, T, D]` with mean 0 and variance 1 over their width, float32: `(x - mean) / sqrt(var + epsilon)`."""
    ops, x = keras.ops, as_float(tokens)
    centered = x - ops.mean(x, axis=-1, keepdims=True)
    return centered / ops.sqrt(ops.mean(ops.square(centered), axis=-1, keepdims=True) + epsilon)


def _rows(table: Tensor, numbers: Tensor) -> Tensor:
    """Rows of a table, by a product with their one-hot numbers."""
    return keras.ops.matmul(keras.ops.one_hot(numbers, table.shape[0], dtype=table.dtype), table)
