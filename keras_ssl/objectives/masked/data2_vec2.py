"""data2vec 2.0."""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import keras

from keras_ssl.check_number import check_number
from keras_ssl.encoders.layer_outputs import layer_outputs
from keras_ssl.encoders.masked_tokens import check_mask_token_encoder
from keras_ssl.encoders.small_normal import SmallNormal
from keras_ssl.layers.ema_teacher import EMATeacher
from keras_ssl.layers.grouped_conv_block import GroupedConvBlock
from keras_ssl.losses.layer_average_targets import layer_average_targets
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.objectives.masked.crop_and_flip import crop_and_flip
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Logs, Tensor
from keras_ssl.views.masks.inverse_block_mask import InverseBlockMask


@register("objective", family="masked", paper="https://arxiv.org/abs/2212.07525")
class Data2Vec2(SSLModel):
    r"""data2vec 2.0: from parts of an image, predict averaged layers of a momentum teacher that sees the whole.

    The teacher sees the image once. Its targets are the patches' outputs of the MLPs of its last `layers` blocks,
    before they are added, each standardized by channel over the image, averaged, and standardized by token
    (`layer_average_targets`). The student sees the image `masks` times, each time a block of patches and nothing else;
    all times share the targets. A decoder puts a learned token in the place of each hidden patch and has
    `decoder_depth` convolutions over the map of patches. The loss is
    `patches + class_weight * whole`: `patches` the squared error of the hidden patches, mean over masks, hidden patches
    and width; `whole` the squared error between the student's class token and the mean of the targets of all patches.

    Logged: `loss`, `patches`, `whole` (where its weight is not 0), `momentum`, `embedding_std` of the teacher's
    features. The loss is a mean over samples: nothing of it is gathered across replicas.

    Chosen otherwise than in the authors' code: the hidden places get a learned token, and not noise of deviation 0.01;
    the visible patches are one block (`InverseBlockMask`), and not several of 3 x 3; the errors are means, where the
    code multiplies those of patches by the root of the width and sums those of class tokens over the batch; the
    momentum rises along a cosine, and not linearly.

    Args:
        encoder: a built `keras_ssl.encoders.ViT`.
        mask_ratio: share of hidden patches, in (0, 1). Defaults to 0.8, the authors'.
        masks: how often the student sees an image, M. Defaults to 16, the authors' for ViT-B.
        layers: number of last blocks that make the targets. None (default) is all but two, at least one: the authors'
            10 of 12.
        decoder_width: width of the decoder, a multiple of `decoder_groups`. None (default) is the encoder's.
        decoder_depth: convolutions of the decoder. Defaults to 6.
        decoder_groups: groups of channels of each convolution, which must divide the encoder's width too. Defaults to
            16.
        class_weight: not negative; above 0 the encoder needs a class token. Defaults to 0.01.
        momentum: of the teacher at the start, in [0, 1]. Defaults to 0.9998; short runs want less.
        final_momentum: at the planned end; None keeps `momentum`. Defaults to 0.99999.
        **kwargs: `views` (default: a random crop of .2 to 1 of the image and a flip), `preprocessing`, `seed`, `name`,
            `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if the encoder is no vision transformer, or an argument is out of range.

    Example:

    ```python
    encoder = keras_ssl.encoders.ViT("Ti", patch_size=4, image_size=32, depth=4)
    model = keras_ssl.Data2Vec2(encoder, masks=4, decoder_depth=2, momentum=0.98)
    model.compile(keras.optimizers.AdamW(1e-3, weight_decay=0.05))
    model.fit(images, epochs=100)
    ```

    Reference:
        Baevski et al., "Efficient Self-supervised Learning with Contextualized Target Representations for Vision,
        Speech and Language", ICML 2023.
    """

    scope: ClassVar[str] = "sample"
    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    tiny: ClassVar[dict[str, Any] | None] = {
        "mask_ratio": 0.6,
        "masks": 2,
        "decoder_depth": 2,
        "decoder_groups": 2,
        "class_weight": 0.1,
        "momentum": 0.9,
    }
    stored_as: ClassVar[dict[str, str]] = {
        "mask_ratio": "mask.ratio",
        "layers": "layer_count",
        "momentum": "teacher.momentum",
        "final_momentum": "teacher.final_momentum",
    }

    def __init__(
        self,
        encoder: keras.Model,
        mask_ratio: float = 0.8,
        masks: int = 16,
        layers: int | None = None,
        decoder_width: int | None = None,
        decoder_depth: int = 6,
        decoder_groups: int = 16,
        class_weight: float = 0.01,
        momentum: float = 0.9998,
        final_momentum: float | None = 0.99999,
        **kwargs: Any,
    ) -> None:
        check_mask_token_encoder(encoder, type(self).__name__)
        super().__init__(encoder, **kwargs)
        check_number("mask_ratio", mask_ratio, 0.0, 1.0, above=True)
        self.mask = InverseBlockMask(mask_ratio)
        self.masks = check_integer("masks", masks, 1)
        depth = sum(layer.name.endswith("_qkv") for layer in encoder.layers)
        self.layer_count = max(1, depth - 2) if layers is None else check_integer("layers", layers, 1, depth)
        width = encoder.token_width if decoder_width is None else check_integer("decoder_width", decoder_width, 1)
        self.decoder_width = width
        self.decoder_depth = check_integer("decoder_depth", decoder_depth, 1)
        self.decoder_groups = check_integer("decoder_groups", decoder_groups, 1)
        self.class_weight = check_number("class_weight", class_weight, 0.0)
        if self.class_weight and not encoder.class_token:
            raise ValueError(
                "`class_weight` must be 0 for an encoder without class token. "
                f"Received: class_weight={self.class_weight}"
            )
        self.mask_token = self.add_weight(name="mask_token", shape=(encoder.token_width,), initializer=SmallNormal())
        self.decoder_blocks = [
            GroupedConvBlock(width, groups=self.decoder_groups, name=f"decoder_block{number}")
            for number in range(1, self.decoder_depth + 1)
        ]
        before = encoder.token_width
        for block in self.decoder_blocks:
            block.build((None, None, None, before))
            before = width
        self.decoder_output = keras.layers.Dense(encoder.token_width, name="decoder_output")
        self.decoder_output.build((None, None, width))
        self.teacher = EMATeacher([encoder], momentum, final_momentum, name="teacher")
        blocks = range(depth - self.layer_count + 1, depth + 1)
        self._teacher_layers = layer_outputs(
            self.teacher.modules[0], [*(f"block{number}_mlp2" for number in blocks), "norm"]
        )

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"masks": 4, "decoder_groups": scale.heads(scale.feature_dim, 8)}

    def default_views(self) -> Callable[..., list[Tensor]]:
        return crop_and_flip(self.encoder.image_size, 0.2)

    def before_first_step(self) -> None:
        self.teacher.begin([self.encoder])

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, images = keras.ops, self.make_views(batch, step)[0]
        grid, prefix = self.encoder.grid(images.shape), self.encoder.prefix
        if self.mask.count(grid) == grid[0] * grid[1]:
            raise ValueError(
                f"`mask_ratio` must hide at least one of {grid[0] * grid[1]} patches. "
                f"Received: mask_ratio={self.mask.ratio}"
            )
        *outputs, last = (ops.stop_gradient(part) for part in self._teacher_layers(images, training=step.training))
        targets = layer_average_targets([output[:, prefix:] for output in outputs])
        stream = step.stream()
        drawn = [self.mask.split(stream, grid) for _ in range(self.masks)]
        keep, hidden = (ops.stack(part, axis=1) for part in zip(*drawn, strict=True))
        rows = ops.reshape(hidden, (-1, self.masks * hidden.shape[2], 1))
        keep, hidden = (ops.reshape(part, (-1, part.shape[2])) for part in (keep, hidden))
        tokens = ops.repeat(self.encoder.tokens(images), self.masks, axis=0)  # a row for each mask
        encoded = self.encoder.encode(tokens, keep, training=step.training)
        prediction = ops.take_along_axis(self.decode(encoded[:, prefix:], keep, grid), hidden[:, :, None], axis=1)
        made = {
            "features": ops.stop_gradient(self.teacher.modules[0].pool(last)),
            "prediction": ops.reshape(prediction, (-1, rows.shape[1], prediction.shape[2])),
            "target": ops.take_along_axis(targets, rows, axis=1),
        }
        if self.class_weight:
            made["class_prediction"] = ops.reshape(encoded[:, 0], (-1, self.masks, encoded.shape[2]))
            made["class_target"] = ops.mean(targets, axis=1, keepdims=True)
        return made

    def decode(self, seen: Tensor, keep: Tensor, grid: tuple[int, ...]) -> Tensor:
        """The predicted tokens of all patches, `[N, T, D]`.

        Args:
            seen: the encoder's tokens of the visible patches, `[N, K, D]`.
            keep: their numbers, int32 `[N, K]`.
            grid: rows and columns of the patches.
        """
        ops = keras.ops
        # Each visible token goes to its place by a product with its one-hot number, which is exact.
        places = ops.one_hot(keep, grid[0] * grid[1], dtype=seen.dtype)
        empty = 1.0 - ops.sum(places, axis=1)[:, :, None]
        x = ops.einsum("nkt,nkd->ntd", places, seen) + empty * ops.cast(self.mask_token, seen.dtype)
        x = ops.reshape(x, (-1, *grid, seen.shape[2]))
        for block in self.decoder_blocks:
            x = block(x)
        return self.decoder_output(ops.reshape(x, (-1, grid[0] * grid[1], self.decoder_width)))

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        terms = {"patches": Term(_square_error(embeddings["prediction"], embeddings["target"]))}
        if self.class_weight:
            whole = _square_error(embeddings["class_prediction"], embeddings["class_target"])
            terms["whole"] = Term(whole, coefficient=self.class_weight)
        return terms

    def after_step(self, embeddings: dict[str, Tensor], updated: Tensor, step: Step) -> Logs:
        return {"momentum": self.teacher.update([self.encoder], step.updates, step.total_updates, updated)}


def _square_error(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean squared error of each sample, `[N]`."""
    ops = keras.ops
    return ops.mean(ops.square(as_float(prediction) - ops.stop_gradient(as_float(target))), axis=(1, 2))
