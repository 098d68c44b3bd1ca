"""CAPI."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.encoders.token_encoder import check_token_encoder
from keras_ssl.encoders.token_sequence import sincos_positions
from keras_ssl.layers.cross_attention_block import CrossAttentionBlock
from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.layers.prototypes import Prototypes
from keras_ssl.losses.capi_loss import assignment_loss, position_assignments
from keras_ssl.losses.numeric import check_integer, l2_normalize
from keras_ssl.objectives.masked.crop_and_flip import crop_and_flip
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor
from keras_ssl.views.masks.inverse_block_mask import InverseBlockMask


@register("objective", family="masked", paper="https://arxiv.org/abs/2502.08769")
class CAPI(SSLModel):
    r"""CAPI: cluster a momentum teacher's patches, and predict from a part of an image the clusters of the rest.

    The loss is `prediction + clustering`. The teacher sees the whole image. A linear head on its normalized patches
    gives logits of `clusters`; they become assignments that share out the samples of the global batch evenly for each
    position (`position_assignments`). `clustering` is the cross-entropy of these assignments and the head's own
    softmax, mean over all patches; it trains the head and nothing else. The student's encoder sees a block of patches.
    A predictor starts from a learned token with a position for each patch to predict, looks at the encoded patches, and
    names the clusters by cosines with directions of its own; `prediction` is the cross-entropy with the assignments of
    these patches, mean over patches and samples. It trains encoder, predictor and directions.

    Logged: `loss`, `prediction`, `clustering`, `target_entropy` (of the assignments, `log clusters` where they say
    nothing), `momentum`, `embedding_std` of the teacher's features.

    Otherwise than in the authors' code: one optimizer for all (theirs gives the head half the rate); positions are
    fixed sines and cosines added to tokens and context, not rotations; the predictor is as wide as the encoder and its
    last normalization has weights.

    Across replicas the logits of all patches are gathered, `[N, T, clusters]`: many clusters cost much.

    Args:
        encoder: a built `TokenEncoder` of square images whose width is a multiple of 4, such as
            `keras_ssl.encoders.ViT`.
        clusters: number of clusters, K. Defaults to 16384.
        mask_ratio: share of hidden patches, in (0, 1). Defaults to 0.65. The visible ones are a block, which may leave
            the image on one side and come in on the other (`InverseBlockMask`).
        prediction_ratio: share of all patches that is predicted, greater than 0 and at most `mask_ratio`. Defaults to
            0.05 (in the authors' code of the hidden ones).
        predictor_depth: blocks of the predictor. Defaults to 12.
        predictor_heads: heads of the predictor, which must divide the encoder's width. Defaults to 16.
        target_temperature: of the assignments, greater than 0. Defaults to 0.06.
        clustering_temperature: of the head's softmax, greater than 0. Defaults to 0.12.
        student_temperature: of the predictor's softmax, greater than 0. Defaults to 0.12.
        iterations: of Sinkhorn-Knopp. Defaults to 3.
        momentum: of the teacher at the start, in [0, 1]. Defaults to 0.999; short runs want less.
        final_momentum: at the planned end, along a cosine; None keeps `momentum`. Defaults to 1.
        **kwargs: `views` (default: a random crop of .6 to 1 of the image and a flip), `preprocessing`, `seed`, `name`,
            `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the encoder is no `TokenEncoder`, an argument is out of range, or images are not square.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=32, depth=4)
    model = keras_ssl.CAPI(encoder, clusters=128, predictor_depth=2, predictor_heads=4, momentum=0.98)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.1))
    model.fit(images, epochs=100)
    ```

    Reference:
        Darcet et al., "Cluster and Predict Latent Patches for Improved Masked Image Modeling", TMLR 2025.
    """

    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    tiny: ClassVar[dict[str, Any] | None] = {
        "clusters": 10,
        "prediction_ratio": 0.25,
        "predictor_depth": 1,
        "predictor_heads": 2,
        "momentum": 0.9,
    }

    def __init__(
        self,
        encoder: keras.Model,
        clusters: int = 16384,
        mask_ratio: float = 0.65,
        prediction_ratio: float = 0.05,
        predictor_depth: int = 12,
        predictor_heads: int = 16,
        target_temperature: float = 0.06,
        clustering_temperature: float = 0.12,
        student_temperature: float = 0.12,
        iterations: int = 3,
        momentum: float = 0.999,
        final_momentum: float | None = 1.0,
        **kwargs: Any,
    ) -> None:
        check_token_encoder(encoder, type(self).__name__)
        super().__init__(encoder, **kwargs)
        check_number("mask_ratio", mask_ratio, 0.0, 1.0, above=True)
        self.mask = InverseBlockMask(mask_ratio, roll=True)
        self.prediction_ratio = check_number("prediction_ratio", prediction_ratio, 0.0, self.mask.ratio, above=True)
        self.predictor_depth = check_integer("predictor_depth", predictor_depth, 1)
        self.predictor_heads = check_integer("predictor_heads", predictor_heads, 1)
        self.temperatures = {
            name: check_number(name, given, 0.0, above=True)
            for name, given in (
                ("target_temperature", target_temperature),
                ("clustering_temperature", clustering_temperature),
                ("student_temperature", student_temperature),
            )
        }
        self.iterations = check_integer("iterations", iterations, 1)
        clusters, width = check_integer("clusters", clusters, 2), encoder.token_width
        sincos_positions(1, width)  # raises for a width that is no multiple of 4
        self.mask_token = self.add_weight(name="mask_token", shape=(width,), initializer=SmallNormal())
        self.predictor_blocks = [
            CrossAttentionBlock(self.predictor_heads, name=f"predictor_block{number}")
            for number in range(1, self.predictor_depth + 1)
        ]
        shape = (None, None, width)
        for block in self.predictor_blocks:
            block.build(shape, shape)
        self.predictor_norm = keras.layers.LayerNormalization(epsilon=1e-6, name="predictor_norm")
        self.predictor_norm.build(shape)
        self.directions = Prototypes(clusters, width, name="directions")
        self.clustering = keras.layers.Dense(
            clusters, kernel_initializer=keras.initializers.RandomNormal(stddev=1.0), dtype="float32", name="clustering"
        )
        self.clustering.build(shape)
        self.teacher = EMATeacher([encoder], momentum, final_momentum, name="teacher")

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"prediction_ratio": 0.3}  # of few patches, one at least

    def default_views(self) -> Callable[..., list[Tensor]]:
        return crop_and_flip(self.encoder.image_size, 0.6)

    def before_first_step(self) -> None:
        self.teacher.begin([self.encoder])

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, images = keras.ops, self.make_views(batch, step)[0]
        grid = self.encoder.grid(images.shape)
        if grid[0] != grid[1]:
            raise ValueError(f"The images of CAPI must be square. Received: {grid[0]} x {grid[1]} patches")
        stream, patches = step.stream(), grid[0] * grid[1]
        keep, hidden = self.mask.split(stream, grid)
        if not hidden.shape[1]:
            raise ValueError(
                f"`mask_ratio` must hide at least one of {patches} patches. Received: mask_ratio={self.mask.ratio}"
            )
        count = min(max(1, int(patches * self.prediction_ratio + 1e-6)), hidden.shape[1])
        lot = ops.argsort(stream.uniform(shape=(hidden.shape[1],)), axis=1)[:, :count]
        places = ops.sort(ops.take_along_axis(hidden, lot, axis=1), axis=1)
        seen = self.encoder.encode(self.encoder.tokens(images), keep, training=step.training)
        teacher = self.teacher.modules[0]
        whole = ops.stop_gradient(teacher.encode(teacher.tokens(images), training=step.training))
        predicted = self.predict_tokens(seen, keep, places, grid)
        return {
            "features": ops.stop_gradient(teacher.pool(whole)),
            "student": self.directions(predicted),
            "teacher": self.clustering(l2_normalize(whole[:, teacher.prefix :])),
            "places": ops.one_hot(places, patches, dtype="float32"),
        }

    def predict_tokens(self, seen: Tensor, keep: Tensor, places: Tensor, grid: tuple[int, ...]) -> Tensor:
        """The predictor's tokens of hidden patches, `[N, M, D]`.

        Args:
            seen: the encoder's tokens, `[N, prefix + K, D]`.
            keep: numbers of the visible patches, int32 `[N, K]`.
            places: numbers of the patches to predict, int32 `[N, M]`.
            grid: rows and columns of the patches.
        """
        ops, prefix = keras.ops, self.encoder.prefix
        table = ops.cast(sincos_positions(grid[0], self.encoder.token_width)[1:], seen.dtype)
        context = seen[:, prefix:] + _rows(table, keep)
        if prefix:
            context = ops.concatenate([seen[:, :prefix], context], axis=1)
        x = _rows(table, places) + ops.cast(self.mask_token, seen.dtype)
        for block in self.predictor_blocks:
            x = block(x, context)
        return self.predictor_norm(x)

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops, temperatures = keras.ops, self.temperatures
        logits = embeddings["teacher"]
        assignments = position_assignments(logits, temperatures["target_temperature"], self.iterations)
        clustering = assignment_loss(logits, assignments, temperatures["clustering_temperature"])
        wanted = ops.matmul(embeddings["places"], assignments)
        prediction = assignment_loss(embeddings["student"], wanted, temperatures["student_temperature"])
        entropy = -ops.mean(ops.sum(wanted * ops.log(wanted + 1e-12), axis=-1))
        return prediction + clustering, {
            "prediction": prediction,
            "clustering": clustering,
            "target_entropy": entropy,
        }

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        return {"momentum": self.teacher.update([self.encoder], step.updates, step.total_updates, updated)}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "clusters": self.directions.count,
            "mask_ratio": self.mask.ratio,
            "prediction_ratio": self.prediction_ratio,
            "predictor_depth": self.predictor_depth,
            "predictor_heads": self.predictor_heads,
            **self.temperatures,
            "iterations": self.iterations,
            "momentum": self.teacher.momentum,
            "final_momentum": self.teacher.final_momentum,
        }


def _rows(table: Tensor, numbers: Tensor) -> Tensor:
    """Rows of a table, by a product with their one-hot numbers."""
    return keras.ops.matmul(keras.ops.one_hot(numbers, table.shape[0], dtype=table.dtype), table)
