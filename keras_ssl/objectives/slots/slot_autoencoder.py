"""An autoencoder of scenes with slots, with or without masks to learn from."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import keras
import numpy as np

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.encoders.feature_map import feature_map, map_trunk
from keras_ssl.encoders.token_encoder import TokenEncoder
from keras_ssl.layers.grid_positions import grid_positions
from keras_ssl.layers.slot_attention import SlotAttention
from keras_ssl.layers.slot_decoder import SlotDecoder
from keras_ssl.losses.matched_mask_loss import MOST_SLOTS, matched_mask_loss
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.registry import register
from keras_ssl.training import SSLModel
from keras_ssl.training.fields import Field
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor

_EXAMPLE_SIDE = 64


class Scene(NamedTuple):
    """What a slot model sees in images.

    Attributes:
        slots: `[N, K, W]`.
        attention: of the slots at the T places of the encoder's map, `[N, K, T]`; over K it sums to 1.
        masks: the share of each slot at each pixel, `[N, K, H, W]`; over K they sum to 1.
        error: the reconstruction's mean squared error, `[N]`.
    """

    slots: Tensor
    attention: Tensor
    masks: Tensor
    error: Tensor


@register("objective", family="slots", paper="https://arxiv.org/abs/2203.11194")
class SlotAutoencoder(SSLModel):
    r"""Takes scenes apart into slots by reconstructing them, and learns from masks where there are some.

    `SlotAttention` groups the places of the encoder's map, with a map of their positions added, into `slots` slots. A
    `SlotDecoder` decodes each slot into pixels and a logit per pixel; the masks are the softmax of the logits over the
    slots, and the image is the sum of the slots' pixels weighted by their masks. Trained on

        reconstruction + mask_weight * segmentation

    the mean squared error of the pixels (normalized as the encoder gets them), and the `matched_mask_loss` of images
    that come with masks. With no masks this is the autoencoder of Slot Attention; with masks it is the model that
    Slot-TTA adapts scene by scene, by lowering the `error` of `decompose`.

    In training each sample's slots start from noise of their own, in use from one and the same. Logged: `loss`,
    `reconstruction`, `segmentation` (0 without masks; even masks give `log(slots)`), `embedding_std` of the encoder's
    features. The loss is a mean over samples: nothing of it is gathered across replicas.

    The batch's field `masks`: numbers of objects in the pixels, integers `[N, H, W]` from 0 to `slots` - 1, the
    background being one of them; -1 is not labeled. It is as large as the image that the views give, which therefore
    must not move pixels.

    Args:
        encoder: a functional `keras.Model` that ends in global average pooling, such as `ConvNet`, or a `TokenEncoder`
            with a `patch_size`, such as `ViT`. The sides of images are multiples of a place's side p in pixels.
        slots: number of slots, at least 2. Defaults to 4.
        slot_width: width of a slot. Defaults to 64, the paper's.
        iterations: rounds of slot attention. Defaults to 3, the paper's.
        decoder_width: of the decoder's hidden layers. Defaults to 128.
        decoder_depth: number of the decoder's hidden layers. Defaults to 3.
        mask_weight: weight of the segmentation, at least 0; 0 reads no masks. Defaults to 0.1.
        **kwargs: `views` (default: the image as it is), `preprocessing`, `seed`, `name`, `dtype`, as for `SSLModel`.

    The authors' code decodes by convolutions and weights the masks' binary cross-entropy by 0.01; here an MLP decodes
    a patch at each place, and the masks' loss is one cross-entropy over slots.

    Raises:
        ValueError: if the encoder has no map, an argument is out of range, masks are to be learned with more than 7
            slots, or a mask names an object beyond the slots.

    Example:

    ```python
    images, masks = keras_ssl.data.digit_scenes(digits=2)
    model = keras_ssl.SlotAutoencoder(keras_ssl.encoders.ConvNet((16, 32, 64)), slots=3)
    model.compile(keras.optimizers.Adam(1e-3))
    model.fit({"x": images, "masks": masks}, epochs=10)
    found = model.segment(images[:8])
    ```

    Reference:
        Prabhudesai et al., "Test-time Adaptation with Slot-Centric Models", ICML 2023, https://arxiv.org/abs/2203.11194;
        Locatello et al., "Object-Centric Learning with Slot Attention", NeurIPS 2020, https://arxiv.org/abs/2006.15055.
    """

    scope: ClassVar[str] = "sample"
    view_count: ClassVar[int] = 1
    monitor: ClassVar[str | None] = "features"
    fields: ClassVar[dict[str, Field]] = {"masks": Field("int32", (None, None), missing=-1)}
    tiny: ClassVar[dict[str, Any] | None] = {"slots": 3, "slot_width": 12, "decoder_width": 16, "decoder_depth": 2}
    stored_as: ClassVar[dict[str, str]] = {
        "iterations": "slot_attention.iterations",
        "decoder_width": "decoder.width",
        "decoder_depth": "decoder.depth",
    }

    def __init__(
        self,
        encoder: keras.Model,
        slots: int = 4,
        slot_width: int = 64,
        iterations: int = 3,
        decoder_width: int = 128,
        decoder_depth: int = 3,
        mask_weight: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        method = type(self).__name__
        self._map = feature_map(self.encoder, method)
        slots = check_integer("slots", slots, 2)
        self.mask_weight = check_number("mask_weight", mask_weight, 0.0)
        if self.mask_weight and slots > MOST_SLOTS:
            raise ValueError(
                f"`slots` must be at most {MOST_SLOTS} where masks are learned, else give `mask_weight=0`. Received: "
                f"slots={slots}, mask_weight={mask_weight}"
            )
        self.patch_side, width = _patch_side(self.encoder, method)
        self.slot_width = check_integer("slot_width", slot_width, 1)
        self.position = keras.layers.Dense(width, name="position")
        self.feature_norm = keras.layers.LayerNormalization(epsilon=1e-5, name="feature_norm")
        self.feature_mlp1 = keras.layers.Dense(self.slot_width, activation="relu", name="feature_mlp1")
        self.feature_mlp2 = keras.layers.Dense(self.slot_width, name="feature_mlp2")
        self.slot_attention = SlotAttention(slots, slot_width, iterations, seed=self.seed, name="slot_attention")
        channels = self.encoder_input_shape[-1] or 3
        self.decoder = SlotDecoder(self.patch_side, channels, decoder_width, decoder_depth, name="decoder")
        self.position.build((None, 4))
        for layer, size in (
            (self.feature_norm, width),
            (self.feature_mlp1, width),
            (self.feature_mlp2, self.slot_width),
            (self.slot_attention, self.slot_width),
            (self.decoder, self.slot_width),
        ):
            layer.build((None, None, size))
        self._segment: Any = None

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.MultiView([view_ops.Identity()])

    @property
    def slots(self) -> int:
        """Number of slots."""
        return self.slot_attention.slots

    def check_batch(self, batch: dict[str, Any]) -> None:
        super().check_batch(batch)
        masks = batch.get("masks")
        if masks is None or not self.mask_weight:
            return
        array = np.asarray(keras.ops.convert_to_numpy(masks))
        wrong = ((array < -1) | (array >= self.slots)).reshape(len(array), -1)
        if wrong.any():
            sample = int(wrong.any(axis=1).argmax())
            raise ValueError(
                f"Masks must hold numbers from 0 to `slots` - 1 = {self.slots - 1}, or -1 for an unlabeled pixel. "
                f"Received: masks={array[sample].reshape(-1)[wrong[sample].argmax()]} in sample {sample}"
            )

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops = keras.ops
        images = self.make_views(batch, step)[0]
        noise = step.stream().normal((self.slots, self.slot_width)) if step.training else None
        parts = self.parts(images, noise, step.training)
        made = {
            "features": ops.stop_gradient(parts["features"]),
            "prediction": parts["prediction"],
            "target": ops.stop_gradient(parts["target"]),
            **self.more_embeddings(parts),
        }
        if self.mask_weight:
            made["logits"] = parts["logits"]
            made["masks"] = self._mask_patches(batch["masks"], images)
        return made

    def more_embeddings(self, parts: dict[str, Tensor]) -> dict[str, Tensor]:
        """What a subclass needs besides, of the results of `parts`."""
        return {}

    def parts(self, images: Tensor, noise: Tensor | None = None, training: bool = False) -> dict[str, Tensor]:
        """All that the networks make of the encoder's input `[N, H, W, C]`.

        Args:
            images: preprocessed.
            noise: that the slots start from, `[N, K, W]`. Defaults to None: one and the same for all.
            training: Defaults to False.

        Returns:
            `features` of the encoder; `tokens`, `slots` and `attention`; `prediction` and `target`, pixels
            `[N, T, p^2 * C]` by patch; `logits` of the masks, `[N, K, T * p^2]`.
        """
        ops = keras.ops
        grid = self._grid(images)
        places, features = self._map(images, training=training)
        positions = self.position(ops.convert_to_tensor(grid_positions(grid)))
        tokens = self.feature_mlp2(self.feature_mlp1(self.feature_norm(places + ops.cast(positions, places.dtype))))
        initial = None if noise is None else self.slot_attention.start(noise)
        slots, attention = self.slot_attention(tokens, initial)
        pixels, logits = self.decoder(slots, grid=grid)
        channels = images.shape[-1]
        shares = ops.softmax(logits, axis=1)
        layered = ops.reshape(pixels, (-1, *pixels.shape[1:3], self.patch_side**2, channels))
        prediction = ops.sum(shares[..., None] * layered, axis=1)
        return {
            "features": features,
            "tokens": tokens,
            "slots": slots,
            "attention": attention,
            "prediction": ops.reshape(prediction, (-1, grid[0] * grid[1], self.patch_side**2 * channels)),
            "target": self._patches(images),
            "logits": ops.reshape(logits, (-1, self.slots, grid[0] * grid[1] * self.patch_side**2)),
        }

    def decompose(self, x: Tensor) -> Scene:
        """Takes images apart, in inference mode; differentiable, for adaptation.

        Args:
            x: images `[N, H, W, C]` on the scale of the data.
        """
        ops = keras.ops
        images = self.encoder_input(x)
        parts = self.parts(images)
        rows, columns = self._grid(images)
        side = self.patch_side
        shares = ops.softmax(as_float(parts["logits"]), axis=1)
        shares = ops.reshape(shares, (-1, self.slots, rows, columns, side, side))
        masks = ops.reshape(ops.transpose(shares, (0, 1, 2, 4, 3, 5)), (-1, self.slots, rows * side, columns * side))
        error = _squared_error(parts["prediction"], parts["target"])
        return Scene(parts["slots"], parts["attention"], masks, error)

    def segment(self, x: Tensor, batch_size: int = 64) -> np.ndarray:
        """The slot that explains each pixel best, int32 `[N, H, W]`.

        Args:
            x: images `[N, H, W, C]`.
            batch_size: images in a batch. Defaults to 64.

        Raises:
            ValueError: if there are no images, or their sides are no multiples of a place's.
        """
        array, batch_size = np.asarray(x), check_integer("batch_size", batch_size, 1)
        if array.ndim != 4 or not len(array):
            raise ValueError(f"`x` must be images [N, H, W, C]. Received: x.shape={array.shape}")
        if self._segment is None:
            self._segment = self.backend.program(
                self, lambda images: keras.ops.cast(keras.ops.argmax(self.decompose(images).masks, axis=1), "int32")
            )
        size = min(batch_size, len(array))
        found = []
        for start in range(0, len(array), size):
            # The last batch is filled up, so that one shape is compiled.
            rows = np.arange(start, start + size) % len(array)
            found.append(keras.ops.convert_to_numpy(self._segment(keras.ops.convert_to_tensor(array[rows]))))
        return np.concatenate(found)[: len(array)]

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        terms = {"reconstruction": Term(_squared_error(embeddings["prediction"], embeddings["target"]))}
        if self.mask_weight:
            loss, labeled = matched_mask_loss(embeddings["logits"], embeddings["masks"])
            terms["segmentation"] = Term(loss, labeled, self.mask_weight)
        return terms

    def _grid(self, images: Tensor) -> tuple[int, int]:
        height, width = images.shape[1:3]
        side = self.patch_side
        if height is None or width is None or height % side or width % side:
            raise ValueError(
                f"The sides of images must be known multiples of {side} pixels, those of a place of the encoder's map. "
                f"Received: shape={tuple(images.shape)}"
            )
        return height // side, width // side

    def _patches(self, images: Tensor) -> Tensor:
        """The values of each patch, `[N, T, p^2 * C]`."""
        ops, side, channels = keras.ops, self.patch_side, images.shape[-1]
        rows, columns = self._grid(images)
        parts = ops.reshape(images, (-1, rows, side, columns, side, channels))
        return ops.reshape(ops.transpose(parts, (0, 1, 3, 2, 4, 5)), (-1, rows * columns, side**2 * channels))

    def _mask_patches(self, masks: Tensor, images: Tensor) -> Tensor:
        """Masks in the order of the decoder's pixels, int32 `[N, T * p^2]`."""
        ops = keras.ops
        height, width = images.shape[1:3]
        if tuple(masks.shape[1:]) == (1, 1):  # as they are filled in where there are none
            masks = masks + ops.zeros((1, height, width), "int32")
        if tuple(masks.shape[1:]) != (height, width):
            raise ValueError(
                f"The field `masks` must have the size of the images, {height} x {width}. Received: "
                f"masks.shape={tuple(masks.shape)}"
            )
        cut = self._patches(ops.cast(masks, "int32")[..., None])
        return ops.reshape(cut, (-1, height * width))


def _squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """The mean of squared differences of each sample, `[N]`."""
    ops = keras.ops
    return ops.mean(ops.square(as_float(prediction) - as_float(target)), axis=(1, 2))


def _patch_side(encoder: Any, method: str) -> tuple[int, int]:
    """The side in pixels of a place of the encoder's map, and the map's width."""
    if isinstance(encoder, TokenEncoder):
        if not isinstance(getattr(encoder, "patch_size", None), int):
            raise ValueError(f"`encoder` must have a `patch_size` for {method}. Received: {type(encoder).__name__}")
        return encoder.patch_size, encoder.token_width  # type: ignore[attr-defined]  # as was seen
    height, width, channels = encoder.input_shape[1:]
    height, width = height or _EXAMPLE_SIDE, width or _EXAMPLE_SIDE
    found = map_trunk(encoder, method).compute_output_spec(keras.KerasTensor((1, height, width, channels)))
    side = height // found.shape[1]
    if (side * found.shape[1], side * found.shape[2]) != (height, width):
        raise ValueError(
            f"`encoder` must have a map whose places are squares of whole pixels for {method}. Received: images of "
            f"{height} x {width} pixels with a map of {found.shape[1]} x {found.shape[2]} places"
        )
    return side, found.shape[-1]
