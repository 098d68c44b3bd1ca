"""MultiPathConsistency."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.encoders.feature_map import feature_map
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.losses.semi_supervised.multi_path_consistency_loss import multi_path_consistency_loss
from keras_ssl.objectives.labels.semi_supervised import check_weight
from keras_ssl.registry import register
from keras_ssl.training.fields import Field
from keras_ssl.training.joined_views import join_views, part_views
from keras_ssl.training.ssl_model import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor
from keras_ssl.views.functional.affine_warp import affine_warp, turn_and_zoom


@register("objective", family="labels", paper="https://arxiv.org/abs/2402.11566")
class MultiPathConsistency(SSLModel):
    """Key points from few labels: the heat maps of several hard views follow that of one easy view, turned with them.

    A Dense layer on the last feature map of the encoder gives a heat map for each key point. The loss is the mean
    squared error of the easy view's maps to Gaussians around the true points, mean over labeled points, plus
    `unlabeled_weight` times, over all samples, `sum_k mean((f(hard_k) - T_k f(easy))^2)`. Each view is turned and
    zoomed about its center by a random amount, the easy one by less; T_k takes the easy view's maps to where the hard
    view is, without gradient. Places that the easy view did not show do not count. One network does it all: there is
    no teacher. With `paths=1` this is the usual easy-hard consistency.

    The paper's images are turned, zoomed, mixed and cut out by combinations of operations that it ranks by their
    difficulty: see `keras_ssl.evaluation.rank_augmentation_pairs`. Here turns and zooms are the objective's own, as it
    must know them, and `views` change colors only: a view that moves pixels would make the maps disagree. Nothing is
    mirrored, as left and right points would change places. The released code's amounts differ by data set; those here
    are a choice.

    Logged: `loss`, `supervised`, `consistency` (a sum over paths), `embedding_std` of the easy view's features. A batch
    holds `points`; samples and points without labels have -1 there.

    Args:
        encoder: a functional `keras.Model` that ends in global average pooling, such as `ConvNet` or `ResNet`, or a
            `TokenEncoder` such as `ViT`. The heat maps are as large as its last map.
        points: number P of key points.
        paths: number K of hard views, at least 1. Defaults to 4.
        sigma: standard deviation of the Gaussians, in cells of the map. Defaults to 1.
        rotations: largest angle of the easy and of the hard views, in degrees. Defaults to `(30, 60)`.
        zooms: largest change of size of the easy and of the hard views, below 1. Defaults to `(0.1, 0.25)`: a view
            shows 0.9 to 1.1 times, or 0.75 to 1.25 times, the sides of the image.
        unlabeled_weight: weight of the consistency, not negative. Defaults to 1.
        **kwargs: `views` (1 + K of them; default: the image, and its colors changed K times), `preprocessing`, `seed`,
            `name`, `dtype`, as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range, the encoder has no feature map, or there are fewer views than paths
            need.

    Example:

    ```python
    model = keras_ssl.MultiPathConsistency(keras_ssl.encoders.ConvNet(), points=17)
    model.compile("adam")
    # points: x to the right and y downward in [0, 1], [N, 17, 2]; -1 where it is not known
    model.fit({"x": images, "points": points}, epochs=10)
    model.locate(images)  # [N, 17, 2]
    ```

    Reference:
        Zhou et al., "Boosting Semi-Supervised 2D Human Pose Estimation by Revisiting Data Augmentation and
        Consistency Training", 2024.
    """

    fields: ClassVar[dict[str, Field]] = {"points": Field("float32", (None, 2), missing=-1.0)}
    scope: ClassVar[str] = "sample"
    monitor: ClassVar[str | None] = "features"
    tiny: ClassVar[dict[str, Any] | None] = {"points": 3, "paths": 1}

    def __init__(
        self,
        encoder: keras.Model,
        points: int,
        paths: int = 4,
        sigma: float = 1.0,
        rotations: Sequence[float] = (30.0, 60.0),
        zooms: Sequence[float] = (0.1, 0.25),
        unlabeled_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        self.paths = check_integer("paths", paths, 1)  # the default views ask for it
        super().__init__(encoder, **kwargs)
        self.points = check_integer("points", points, 1)
        self.view_count = 1 + self.paths  # type: ignore[misc]  # of this model alone
        self.sigma = check_number("sigma", sigma, 0.0, above=True)
        self.rotations = _pair("rotations", rotations, 180.0)
        self.zooms = _pair("zooms", zooms, 0.99)
        self.unlabeled_weight = check_weight("unlabeled_weight", unlabeled_weight)
        self._map = feature_map(self.encoder, type(self).__name__)
        shape = [size or 64 for size in self.encoder_input_shape[1:3]]
        places = self._map(keras.KerasTensor((None, *shape, self.encoder_input_shape[3])))[0]
        self.heat_head = keras.layers.Dense(self.points, name="heat_head")
        self.heat_head.build((None, places.shape[-1]))

    @property
    def batch_fields(self) -> Mapping[str, Field]:
        return {"points": Field("float32", (self.points, 2), missing=-1.0)}

    def default_views(self) -> Callable[..., list[Tensor]]:
        ops = [view_ops.RandomApply(view_ops.ColorJitter(0.4, 0.4), 0.8), view_ops.RandomApply(view_ops.GaussianBlur())]
        return view_ops.MultiView([view_ops.Identity(), *[view_ops.Compose(ops)] * self.paths])

    def check_batch(self, batch: dict[str, Any]) -> None:
        super().check_batch(batch)
        if batch.get("points") is None:
            return
        found = np.asarray(keras.ops.convert_to_numpy(batch["points"]))
        if not np.isfinite(found).all():
            sample = int(np.argmax(~np.isfinite(found).reshape(len(found), -1).all(axis=1)))
            raise ValueError(
                f"`points` must be finite, and -1 where a point is not known. Received: points={found[sample]} in "
                f"sample {sample}"
            )

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        ops = keras.ops
        views = self.make_views(batch, step)[: 1 + self.paths]
        drawn = step.stream().uniform(-1.0, 1.0, shape=(2 * (1 + self.paths),))
        angles, zooms = [], []
        for number in range(1 + self.paths):
            kind = min(number, 1)  # easy, then hard
            angles.append(math.radians(self.rotations[kind]) * drawn[:, 2 * number])
            zooms.append(1.0 + self.zooms[kind] * drawn[:, 2 * number + 1])
        seen = [affine_warp(view, turn_and_zoom(*by)) for view, *by in zip(views, angles, zooms, strict=True)]
        places, features = self._map(join_views(seen), training=step.training)
        maps = part_views(self._heat_maps(places, views[0].shape), 1 + self.paths)
        given = {
            "features": ops.stop_gradient(part_views(features, 1 + self.paths)[0]),
            "easy": maps[0],
            "points": batch["points"],
            "back": turn_and_zoom(-angles[0], 1.0 / zooms[0]),
        }
        for number, hard in enumerate(maps[1:], start=1):
            given[f"hard{number}"] = hard
            given[f"turn{number}"] = turn_and_zoom(angles[number] - angles[0], zooms[number] / zooms[0])
        return given

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        ops, easy = keras.ops, as_float(embeddings["easy"])
        numbers = range(1, 1 + self.paths)
        hard = [embeddings[f"hard{number}"] for number in numbers]
        turns = [embeddings[f"turn{number}"] for number in numbers]
        targets = [affine_warp(ops.stop_gradient(easy), turn, "zero") for turn in turns]
        shown = [affine_warp(ops.ones_like(easy[..., :1]), turn, "zero") for turn in turns]
        points = as_float(embeddings["points"])
        known = ops.cast(ops.all(ops.logical_and(points >= 0.0, points <= 1.0), axis=2), "float32")
        # Where the points are in the easy view, which is turned itself.
        turned = ops.matmul(2.0 * points - 1.0, ops.transpose(embeddings["back"][:, :, :2], (0, 2, 1)))
        wanted = gaussian_maps(0.5 * (turned + 1.0), easy.shape[1], easy.shape[2], self.sigma)
        errors = ops.mean(ops.square(easy - wanted), axis=(1, 2))
        count = ops.sum(known, axis=1)
        return {
            "supervised": Term(ops.sum(errors * known, axis=1) / ops.maximum(count, 1.0), count),
            "consistency": Term(multi_path_consistency_loss(hard, targets, shown), None, self.unlabeled_weight),
        }

    def heat_maps(self, x: Tensor) -> Tensor:
        """The heat maps of inputs, float32 `[N, H, W, P]`."""
        inputs = self.encoder_input(x)
        return as_float(self._heat_maps(self._map(inputs)[0], inputs.shape))

    def locate(self, x: Tensor) -> np.ndarray:
        """The key points of inputs, float32 `[N, P, 2]`: x to the right and y downward, in [0, 1].

        A point is the mean of the cells around the largest value of its map, weighted by their positive values.
        """
        maps = np.asarray(keras.ops.convert_to_numpy(self.heat_maps(x)))
        count, height, width, points = maps.shape
        best = maps.reshape(count, height * width, points).argmax(axis=1)
        rows, columns = np.arange(height)[None, :, None, None], np.arange(width)[None, None, :, None]
        row, column = (index[:, None, None, :] for index in (best // width, best % width))
        near = (np.abs(rows - row) <= 1) & (np.abs(columns - column) <= 1)
        weights = np.where(near, np.maximum(maps, 1e-6), 0.0)
        total = weights.sum(axis=(1, 2))
        x_found = (weights * (columns + 0.5)).sum(axis=(1, 2)) / total / width
        y_found = (weights * (rows + 0.5)).sum(axis=(1, 2)) / total / height
        return np.stack([x_found, y_found], axis=2).astype("float32")

    def _heat_maps(self, places: Tensor, image: tuple[int | None, ...]) -> Tensor:
        """The maps `[N, h, w, P]` of places `[N, S, D]` of images `[N, H, W, C]`: h w = S and h / w = H / W."""
        count, sides = int(places.shape[1]), image[1:3]
        height = round(math.sqrt(count * (sides[0] or 1) / (sides[1] or 1)))
        width = count // max(height, 1)
        if height * width != count:
            raise ValueError(f"`encoder` must have a map with the sides' ratio of its images. Received: {count} places")
        return keras.ops.reshape(self.heat_head(places), (-1, height, width, self.points))


def gaussian_maps(points: Tensor, height: int, width: int, sigma: float) -> Tensor:
    """Heat maps with a Gaussian of height 1 around each point.

    Args:
        points: x to the right and y downward, in [0, 1] over the map, `[N, P, 2]`.
        height, width: of the maps in cells.
        sigma: standard deviation in cells.

    Returns:
        float32 `[N, height, width, P]`.
    """
    ops = keras.ops
    points = as_float(points)
    x = ops.arange(width, dtype="float32") + 0.5
    y = ops.arange(height, dtype="float32") + 0.5
    across = ops.square(x[None, :, None] - float(width) * points[:, None, :, 0])
    down = ops.square(y[None, :, None] - float(height) * points[:, None, :, 1])
    return ops.exp(-(across[:, None] + down[:, :, None]) / (2.0 * sigma**2))


def _pair(name: str, values: Sequence[float], highest: float) -> tuple[float, float]:
    """The amounts of the easy and the hard views, or an error that names the argument."""
    if isinstance(values, str) or not isinstance(values, Sequence) or len(values) != 2:
        raise ValueError(f"`{name}` must be two numbers, of the easy and the hard views. Received: {name}={values!r}")
    easy, hard = (check_number(name, value, 0.0, highest) for value in values)
    return easy, hard
