"""VICRegL."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.encoders.feature_map import feature_map
from keras_ssl.losses.numeric import check_integer
from keras_ssl.losses.vicregl_loss import matched_places, place_vicreg_terms, square_distances
from keras_ssl.objectives.joint_embedding import JointEmbedding
from keras_ssl.random import Stream
from keras_ssl.registry import register
from keras_ssl.training.data_scale import DataScale
from keras_ssl.training.step import Step
from keras_ssl.typing import Logs, Tensor
from keras_ssl.views.functional.crop_and_resize import crop_and_resize
from keras_ssl.views.functional.flip import flip

_TERMS = ("invariance_weight", "variance_weight", "covariance_weight")

_LARGEST_ROOT = 46000  # a little less than that of the largest int32


@register("objective", family="dense", paper="https://arxiv.org/abs/2210.01571")
class VICRegL(JointEmbedding):
    r"""VICRegL: VICReg of whole images, and VICReg of the places of their feature maps that match.

    `alpha * whole + (1 - alpha) * places`. `whole` is the VICReg loss of the projections of two crops of an image, with
    the mean of both crops' covariance terms (VICReg has their sum: `covariance_weight` counts half as much here).
    `places = feature + location`, the VICReg losses (`place_vicreg_terms`) of pairs of places, each with statistics
    over the batch for each pair by itself. A place of one crop's map is paired with the place of the other crop that is
    nearest, by the place in the image (`location`) or by the local projection (`feature`). Of the pairs of one crop
    with another the nearest `matches[0]` and the nearest `matches[1]` each make a loss, in both directions; `feature`
    and `location` are the means of four losses.

    The crops must be known, so the model crops and mirrors the views itself: `views` must not move pixels. They come
    before the crop. With `crop_scale=(1, 1)` and `flip=0` the views are taken as they are, and places at the same
    position match. Unlike the paper's larger runs there are two crops of one size and no small ones.

    Logged: `loss`, `whole`, `feature`, `location` (each with the weights of the three terms), `embedding_std`.

    Args:
        encoder: a functional `keras.Model` that ends in global average pooling, such as `ConvNet` or `ResNet`, or a
            `TokenEncoder` such as `ViT`; the feature map of a crop must be square.
        projector: widths of the projector of pooled features. Defaults to `(8192, 8192, 8192)`.
        local_projector: widths of the projector of places. Defaults to `(512, 512, 512)`.
        alpha: weight of whole images, in [0, 1]. Defaults to 0.9, the authors' for classification; 0.75 for
            segmentation.
        matches: two numbers of pairs, each at least 1. Defaults to (20, 4), the authors'.
        invariance_weight: not negative. Defaults to 25.
        variance_weight: not negative. Defaults to 25.
        covariance_weight: not negative. Defaults to 1.
        crop_scale: range of a crop's area as a share of the image's, in (0, 1]. Defaults to (0.08, 1).
        crop_size: side of the crops in pixels; None (default) is the image's own.
        flip: probability of a crop to be mirrored. Defaults to 0.5.
        **kwargs: `views` (default: VICReg's without crop and flip), `preprocessing`, `seed`, `name`, `dtype`, as for
            `SSLModel`.

    Raises:
        ValueError: if the encoder has no feature map, the map is not square, or a value is out of range.

    Example:

    ```python
    model = keras_ssl.VICRegL(keras_ssl.encoders.ConvNet(), projector=(256, 256), local_projector=(64, 64))
    model.compile("adam")
    model.fit(images, epochs=10)
    ```

    Reference:
        Bardes et al., "VICRegL: Self-Supervised Learning of Local Visual Features", NeurIPS 2022.
    """

    tiny: ClassVar[dict[str, Any] | None] = {
        "projector": (24, 12),
        "local_projector": (12, 6),
        "alpha": 0.6,
        "matches": (6, 3),
        "crop_scale": (0.5, 1.0),
    }

    def __init__(
        self,
        encoder: keras.Model,
        projector: Sequence[int] = (8192, 8192, 8192),
        local_projector: Sequence[int] = (512, 512, 512),
        alpha: float = 0.9,
        matches: Sequence[int] = (20, 4),
        invariance_weight: float = 25.0,
        variance_weight: float = 25.0,
        covariance_weight: float = 1.0,
        crop_scale: Sequence[float] = (0.08, 1.0),
        crop_size: int | None = None,
        flip: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        # Made before the heads: an encoder without a map is refused first.
        self._map = feature_map(self.encoder, type(self).__name__)
        self.alpha = check_number("alpha", alpha, 0.0, 1.0)
        if isinstance(matches, str) or not isinstance(matches, Sequence) or len(matches) != 2:
            raise ValueError(f"`matches` must be two numbers of pairs. Received: matches={matches!r}")
        self.matches = tuple(check_integer("matches", count, 1) for count in matches)
        weights = (invariance_weight, variance_weight, covariance_weight)
        self.weights_of_terms = tuple(
            check_number(name, weight, 0.0) for name, weight in zip(_TERMS, weights, strict=True)
        )
        self.crop = view_ops.RandomResizedCrop(crop_size, scale=crop_scale)
        self.flip = check_number("flip", flip, 0.0, 1.0)
        self.add_projector(projector, hidden_bias=True)
        height, width, channels = self.encoder.input_shape[1:]
        places = self._map(keras.KerasTensor((None, height or 64, width or 64, channels)))[0]
        self.local_projector = self.head("local_projector", local_projector, places.shape[-1], hidden_bias=True)

    @classmethod
    def small_settings(cls, scale: DataScale, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"matches": (4, 2), "crop_size": scale.image_size}

    def default_views(self) -> Callable[..., list[Tensor]]:
        jitter = view_ops.ColorJitter(0.4, 0.4, 0.2, 0.1)
        pipeline = view_ops.Compose(
            [
                view_ops.RandomApply(jitter, 0.8),
                view_ops.RandomGrayscale(0.2),
                view_ops.RandomApply(view_ops.GaussianBlur((0.1, 2.0)), 0.5),
                view_ops.RandomApply(view_ops.Solarize(0.5), 0.1),
            ]
        )
        return view_ops.MultiView([pipeline, pipeline])

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops, training, stream = keras.ops, step.training, step.stream()
        embeddings, maps, places, reach = [], [], [], 1
        for view in self.used_views(batch, step):
            crop, box, mirrored = self._crop(view, stream)
            found, features = self._map(crop, training=training)
            side = math.isqrt(found.shape[1])
            if side**2 != found.shape[1]:
                raise ValueError(f"The feature map of VICRegL must be square. Received: {found.shape[1]} places")
            embeddings.append(self.projector(features, training=training))
            flat = self.local_projector(ops.reshape(found, (-1, found.shape[2])), training=training)
            maps.append(ops.reshape(flat, (-1, found.shape[1], flat.shape[1])))
            places.append(place_positions(box, mirrored, side))
            reach = max(reach, 2 * side * max(view.shape[1:3]))
        made = {"z1": embeddings[0], "z2": embeddings[1]}
        for kind, kinds in (("feature", maps), ("location", places)):
            for way, (one, two) in (("12", (0, 1)), ("21", (1, 0))):
                if kind == "feature":
                    distances = square_distances(kinds[one], kinds[two])
                else:
                    distances = place_distances(kinds[one], kinds[two], reach)
                a, b = matched_places(maps[one], maps[two], distances, max(self.matches))
                made |= {f"{kind}_{way}_a": a, f"{kind}_{way}_b": b}
        return made

    def _crop(self, view: Tensor, stream: Stream) -> tuple[Tensor, tuple[Tensor, ...], Tensor]:
        """Crops of a view, their boxes (top, left, height, width, `[N]` each), and which are mirrored."""
        height, width = view.shape[1:3]
        box = self.crop.boxes(stream, height, width)
        crop = crop_and_resize(view, *box, self.crop.size or (height, width), "bilinear")
        mirrored = stream.bernoulli(self.flip)
        return flip(crop, mirrored), box, mirrored

    def objective(self, embeddings: dict[str, Tensor], step: Step) -> tuple[Tensor, Logs]:
        ops = keras.ops
        whole = self._weighted(embeddings["z1"][:, None], embeddings["z2"][:, None])
        parts = {}
        for kind in ("feature", "location"):
            losses = [
                self._weighted(embeddings[f"{kind}_{way}_a"][:, :count], embeddings[f"{kind}_{way}_b"][:, :count])
                for way in ("12", "21")
                for count in self.matches
            ]
            parts[kind] = ops.mean(ops.stack(losses))
        loss = self.alpha * whole + (1.0 - self.alpha) * (parts["feature"] + parts["location"])
        return loss, {"whole": whole, **parts}

    def _weighted(self, a: Tensor, b: Tensor) -> Tensor:
        terms = place_vicreg_terms(a, b)
        return sum(weight * term for weight, term in zip(self.weights_of_terms, terms, strict=True))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "local_projector": list(self.local_projector.widths),
            "alpha": self.alpha,
            "matches": list(self.matches),
            **dict(zip(_TERMS, self.weights_of_terms, strict=True)),
            "crop_scale": list(self.crop.scale),
            "crop_size": None if self.crop.size is None else self.crop.size[0],
            "flip": self.flip,
        }


def place_positions(box: tuple[Tensor, ...], mirrored: Tensor, side: int) -> Tensor:
    """Where the places of crops lie in the images: rows and columns of their middles, int32 `[N, side^2, 2]`.

    In units of `1 / (2 side)` of a pixel, in which they are whole numbers: no distance is rounded, and of two equal
    ones neither is less by its last digit.

    Args:
        box: top, left, height and width of each crop in pixels, int32 `[N]` each.
        mirrored: whether left and right of a crop are swapped, `[N]`.
        side: places along each side of the map.
    """
    ops = keras.ops
    top, left, height, width = (ops.cast(part, "int32")[:, None] for part in box)
    number = np.arange(side**2, dtype="int32")
    row, column = number // side, number % side
    row_middle = ops.convert_to_tensor(2 * row + 1, "int32")[None]
    forth, back = (ops.convert_to_tensor(2 * each + 1, "int32")[None] for each in (column, side - 1 - column))
    column_middle = ops.where(ops.cast(mirrored, "bool")[:, None], back, forth)
    return ops.stack([2 * side * top + row_middle * height, 2 * side * left + column_middle * width], axis=2)


def place_distances(a: Tensor, b: Tensor, reach: int) -> Tensor:
    """Squared distances between the places of two crops, int32 `[N, S, R]`.

    Where squares of such numbers would leave int32 (a map of 16 x 16 places in an image of more than 1024 pixels),
    positions are rounded down to a coarser unit, still below a pixel.

    Args:
        a: of `place_positions`, `[N, S, 2]`.
        b: of the other crop, `[N, R, 2]`.
        reach: more than any position, `2 side` times the larger side of the images.
    """
    ops = keras.ops
    coarse = -(-math.isqrt(2 * reach**2) // _LARGEST_ROOT)
    if coarse > 1:
        a, b = ops.floor_divide(a, coarse), ops.floor_divide(b, coarse)
    return ops.sum(ops.square(a[:, :, None] - b[:, None]), axis=3)
