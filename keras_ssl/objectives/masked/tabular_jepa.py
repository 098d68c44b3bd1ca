"""Latent prediction of columns from other columns of the same row."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras

from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.encoders.token_encoder import check_token_encoder
from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.layers.transformer_block import TransformerBlock
from keras_ssl.losses.numeric import check_integer
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor
from keras_ssl.views.masks import ContextTargetMask


@register("objective", family="masked", modality="table", paper="https://arxiv.org/abs/2410.05016")
class TabularJEPA(SSLModel):
    r"""T-JEPA: predict the latent tokens of some columns of a row from those of other columns.

    The encoder sees a random part of the columns, the context. A momentum teacher sees the whole row. A predictor gets
    the context's tokens and, for each column of a target, a learned token with the column's embedding; it predicts the
    teacher's tokens of these columns. The loss is `mean over targets, columns and width of (prediction - target)^2`. No
    values are reconstructed and there are no views. The encoder's registers ([REG]) are always seen, and are no part
    of a target nor of the features; without one, tables are said to collapse. Logged: `loss`, `prediction` (the same),
    `momentum`, `embedding_std` of the teacher's features.

    The loss is a mean over samples: nothing of it is gathered across replicas.

    Args:
        encoder: a built `TokenEncoder` of columns, such as `keras_ssl.encoders.TabularTransformer`.
        context: share of the columns in the context, in (0, 1). Defaults to 0.5.
        target: share of the columns in a target, in (0, 1); both together at most 1. Defaults to 0.25.
        targets: number of targets, disjoint from the context. Defaults to 4.
        predictor_width: width of the predictor. Defaults to None: that of the encoder's tokens.
        predictor_depth: blocks of the predictor. Defaults to 2.
        predictor_heads: heads of the predictor, which must divide its width. Defaults to 4.
        momentum: of the teacher at the start, in [0, 1]. Defaults to 0.996.
        final_momentum: at the planned end, along a cosine; None keeps `momentum`. Defaults to 1.0.
        **kwargs: `seed`, `name`, `dtype`, as for `SSLModel`. There are no views.

    The paper draws the sizes of context and targets for each data set from ranges; here they are fixed, so that shapes
    are known. Shares, number of targets, depths and momentum are choices of this library, not the paper's.

    On small tables it is no safe gain over the raw columns. Logistic regression on a tenth of the labels, three seeds
    (`benchmarks/proofs/tabular_jepa.py`): breast cancer 0.903 +- 0.053 by its features, 0.953 by the raw columns; wine
    0.971 +- 0.029 and 0.943.

    Raises:
        ValueError: if the encoder is no `TokenEncoder` of columns, an argument is out of range, or `views` are given.

    Example:

    ```python
    encoder = keras_ssl.encoders.TabularTransformer(keras_ssl.encoders.columns_of(columns))
    model = keras_ssl.TabularJEPA(encoder)
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit(columns, epochs=100)  # {"age": array [N], "job": array [N], ...}
    ```

    Reference:
        Thimonier et al., "T-JEPA: Augmentation-Free Self-Supervised Learning for Tabular Data", ICLR 2025.
    """

    scope: ClassVar[str] = "sample"
    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    tiny: ClassVar[dict[str, Any] | None] = {"targets": 2, "predictor_depth": 1, "predictor_heads": 2, "momentum": 0.9}
    stored_as: ClassVar[dict[str, str]] = {
        "context": "mask.context",
        "target": "mask.target",
        "targets": "mask.targets",
        "momentum": "teacher.momentum",
        "final_momentum": "teacher.final_momentum",
    }

    def __init__(
        self,
        encoder: keras.Model,
        context: float = 0.5,
        target: float = 0.25,
        targets: int = 4,
        predictor_width: int | None = None,
        predictor_depth: int = 2,
        predictor_heads: int = 4,
        momentum: float = 0.996,
        final_momentum: float | None = 1.0,
        **kwargs: Any,
    ) -> None:
        check_token_encoder(encoder, type(self).__name__, "TabularTransformer")
        if kwargs.get("views") is not None:
            raise ValueError(f"{type(self).__name__} makes no views. Received: views={kwargs['views']!r}")
        super().__init__(encoder, **kwargs)
        if not self.takes_columns:
            raise ValueError(
                f"`encoder` must take a dict of columns for {type(self).__name__}, such as "
                f"keras_ssl.encoders.TabularTransformer. Received: {type(encoder).__name__}"
            )
        self.mask = ContextTargetMask(context, target, targets)
        grid = encoder.grid(self.encoder_input_shape)
        self.mask.counts(grid)  # raises where the columns are too few
        width = encoder.token_width if predictor_width is None else check_integer("predictor_width", predictor_width, 1)
        self.predictor_width = predictor_width
        self.predictor_depth = check_integer("predictor_depth", predictor_depth, 1)
        self.predictor_heads = check_integer("predictor_heads", predictor_heads, 1)
        self.predictor_embedding = keras.layers.Dense(width, name="predictor_embedding")
        self.predictor_embedding.build((None, None, encoder.token_width))
        self.mask_token = self.add_weight(name="mask_token", shape=(width,), initializer=SmallNormal())
        self.column_embedding = self.add_weight(
            name="column_embedding", shape=(grid[0], width), initializer=SmallNormal(width**-0.5)
        )
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

    def default_views(self) -> Callable[..., list[Tensor]]:
        return _as_it_is

    def before_first_step(self) -> None:
        self.teacher.begin([self.encoder])

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, columns = keras.ops, self.encoder_input(batch["x"])
        context, targets = self.mask.split(step.stream(), self.encoder.grid(self.encoder_input_shape))
        seen = self.encoder.encode(self.encoder.tokens(columns), context, training=step.training)
        teacher = self.teacher.modules[0]
        whole = ops.stop_gradient(teacher.encode(teacher.tokens(columns), training=step.training))
        count, size = targets.shape[1:]
        wanted = ops.take_along_axis(
            whole[:, teacher.prefix :], ops.reshape(targets, (-1, count * size))[:, :, None], axis=1
        )
        return {
            "features": ops.stop_gradient(teacher.pool(whole)),
            "prediction": self.predict_tokens(seen, context, targets),
            "target": ops.reshape(wanted, (-1, count, size, whole.shape[-1])),
        }

    def predict_tokens(self, seen: Tensor, context: Tensor, targets: Tensor) -> Tensor:
        """The predicted tokens of the targets' columns, `[N, targets, M, D]`.

        Args:
            seen: the encoder's tokens of the context, `[N, prefix + K, D]`.
            context: numbers of its columns, int32 `[N, K]`.
            targets: numbers of the columns to predict, int32 `[N, targets, M]`.
        """
        ops, prefix = keras.ops, self.encoder.prefix
        x = self.predictor_embedding(seen)
        kept = x[:, prefix:] + self._embedded(context, x.dtype)
        x = ops.concatenate([x[:, :prefix], kept], axis=1) if prefix else kept
        count, size = targets.shape[1:]
        queries = self._embedded(targets, x.dtype) + ops.cast(self.mask_token, x.dtype)
        # Each target is predicted by itself: a row for each.
        queries = ops.reshape(queries, (-1, size, queries.shape[-1]))
        x = ops.concatenate([ops.repeat(x, count, axis=0), queries], axis=1)
        for block in self.predictor_blocks:
            x = block(x)
        predicted = self.predictor_output(self.predictor_norm(x[:, -size:]))
        return ops.reshape(predicted, (-1, count, size, predicted.shape[-1]))

    def _embedded(self, numbers: Tensor, dtype: str) -> Tensor:
        """The embeddings of columns, by a product with their one-hot numbers, whose gradient is dense."""
        table = keras.ops.cast(self.column_embedding, dtype)
        return keras.ops.matmul(keras.ops.one_hot(numbers, table.shape[0], dtype=dtype), table)

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        error = keras.ops.square(embeddings["prediction"] - embeddings["target"])
        return {"prediction": Term(keras.ops.mean(error, axis=(1, 2, 3)))}

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        return {"momentum": self.teacher.update([self.encoder], step.updates, step.total_updates, updated)}


def _as_it_is(x: Tensor, stream: Any) -> list[Tensor]:
    return [x]
