"""InterPatchConsistency."""

from collections.abc import Callable
from typing import Any, ClassVar

import keras
import numpy as np

from keras_ssl import views as view_ops
from keras_ssl.check_number import check_number
from keras_ssl.encoders.feature_map import feature_map
from keras_ssl.losses.numeric import as_float, check_integer
from keras_ssl.losses.semi_supervised.inter_patch_consistency_loss import (
    inter_patch_consistency_loss,
    multi_source_consistency_loss,
    patch_affinity,
    smaller_cluster,
)
from keras_ssl.registry import register
from keras_ssl.schedules.ramp_up import ramp_up
from keras_ssl.training.fields import Field
from keras_ssl.training.ssl_model import SSLModel
from keras_ssl.training.step import Step
from keras_ssl.training.terms import Term
from keras_ssl.typing import Tensor


@register("objective", family="labels", paper="https://arxiv.org/abs/2309.01246")
class InterPatchConsistency(SSLModel):
    """Finds what was pasted into an image, from labels of whole images: authentic or tampered.

    Two streams look at an image: the encoder at its pixels, a twin of its own weights at the noise residual (the image
    minus the mean of 3 x 3 pixels). Each gives a logit for every place of its last feature map, and an embedding. The
    logit of an image is the mean over the highest `top_share` of its places. The loss is the sum of

    - the binary cross-entropy of the images' logits to their labels;
    - `patch_weight` times the distance between affinities of places and the map: `inter_patch_consistency_loss`. Of
      authentic images the map counts as 0, so that all places should be alike;
    - `cluster_weight` times the mean squared distance of the map of tampered images to the smaller of two clusters of
      places: `smaller_cluster`. This completes what the map shows in part;
    - `source_weight` times `multi_source_consistency_loss`: each stream follows the other. The factor rises as
      `exp(-5 (1 - t)^2)` over the first `warmup_steps` updates.

    The paper has a third stream; its code measures affinities by learned keys and queries. Weights, the share of
    places and the way the clusters enter are choices.

    Logged: `loss`, `supervised`, `patches`, `clusters`, `sources`, `accuracy` of labeled images, `embedding_std`.
    Labels are 0 for authentic images, any higher number for tampered ones, -1 where nothing is known.

    Args:
        encoder: a functional `keras.Model` that ends in global average pooling, such as `ConvNet`, or a `TokenEncoder`;
            it must be rebuildable from its config.
        embedding_dim: width of the embedding of a place. Defaults to 32.
        top_share: share of the places that speak for an image, in (0, 1]. Defaults to 0.1; at least one place.
        norm: of affinities, "l1" (default) or "l2".
        patch_weight: not negative. Defaults to 1.
        cluster_weight: not negative. Defaults to 1; with 0, no clusters are computed.
        source_weight: not negative. Defaults to 1.
        warmup_steps: updates in which `source_weight` rises. Defaults to 0: it is whole from the start.
        **kwargs: `views` (default: a random flip; the first view is taken), `preprocessing`, `seed`, `name`, `dtype`,
            as for `SSLModel`.

    Raises:
        ValueError: if an argument is out of range, or the encoder has no feature map or cannot be rebuilt.

    Example:

    ```python
    model = keras_ssl.InterPatchConsistency(keras_ssl.encoders.ConvNet())
    model.compile("adam")
    model.fit(images, tampered, epochs=10)  # 0 or 1 for each image
    model.tampering_maps(images)  # [N, H, W], 1 is pasted
    ```

    Reference:
        Zhai et al., "Towards Generic Image Manipulation Detection with Weakly-Supervised Self-Consistency Learning",
        ICCV 2023.
    """

    fields: ClassVar[dict[str, Field]] = {"y": Field("int32", missing=-1)}
    scope: ClassVar[str] = "sample"
    monitor: ClassVar[str | None] = "features"
    view_count: ClassVar[int] = 1
    # Without clusters: of an untrained network, the last digit decides to which a patch belongs.
    tiny: ClassVar[dict[str, Any] | None] = {"embedding_dim": 8, "cluster_weight": 0.0}

    def __init__(
        self,
        encoder: keras.Model,
        embedding_dim: int = 32,
        top_share: float = 0.1,
        norm: str = "l1",
        patch_weight: float = 1.0,
        cluster_weight: float = 1.0,
        source_weight: float = 1.0,
        warmup_steps: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(encoder, **kwargs)
        self.embedding_dim = check_integer("embedding_dim", embedding_dim, 1)
        self.top_share = check_number("top_share", top_share, 0.0, 1.0, above=True)
        if norm not in ("l1", "l2"):
            raise ValueError(f'`norm` must be "l1" or "l2". Received: norm={norm!r}')
        self.norm = norm
        self.patch_weight = check_number("patch_weight", patch_weight, 0.0)
        self.cluster_weight = check_number("cluster_weight", cluster_weight, 0.0)
        self.source_weight = check_number("source_weight", source_weight, 0.0)
        self.warmup_steps = check_integer("warmup_steps", warmup_steps, 0)
        name = type(self).__name__
        first = feature_map(self.encoder, name)
        self.residual_encoder = _twin(self.encoder)
        self._maps = [first, feature_map(self.residual_encoder, name)]
        sides = [size or 64 for size in self.encoder_input_shape[1:3]]
        width = first(keras.KerasTensor((None, *sides, self.encoder_input_shape[3])))[0].shape[-1]
        self.map_heads = [keras.layers.Dense(1, name=f"map{n}") for n in range(2)]
        self.patch_heads = [keras.layers.Dense(self.embedding_dim, name=f"patch{n}") for n in range(2)]
        for head in (*self.map_heads, *self.patch_heads):
            head.build((None, None, width))

    def default_views(self) -> Callable[..., list[Tensor]]:
        return view_ops.MultiView([view_ops.RandomFlip(0.5)])

    def embed(self, batch: dict[str, Tensor], step: Step) -> dict[str, Tensor]:
        image = self.make_views(batch, step)[0]
        given = {}
        for number, (places, features) in enumerate(self._streams(image, step.training)):
            if number == 0:
                given["features"] = keras.ops.stop_gradient(features)
            given[f"map{number}"] = self.map_heads[number](places)[:, :, 0]
            given[f"patches{number}"] = self.patch_heads[number](places)
        return {**given, "y": batch["y"]}

    def sample_terms(self, embeddings: dict[str, Tensor], step: Step) -> dict[str, Term]:
        ops, labels = keras.ops, keras.ops.cast(embeddings["y"], "int32")
        known, tampered = (ops.cast(condition, "float32") for condition in (labels >= 0, labels > 0))
        logits = [as_float(embeddings[f"map{number}"]) for number in range(2)]
        maps = [ops.sigmoid(each) for each in logits]
        scores = [self._score(each) for each in logits]
        # log(1 + exp(s)) - y s is the binary cross-entropy.
        entropies = [ops.softplus(score) - tampered * score for score in scores]
        alike = [patch_affinity(embeddings[f"patches{number}"]) for number in range(2)]
        patches = [
            inter_patch_consistency_loss(each * tampered[:, None], affinity, self.norm)
            for each, affinity in zip(maps, alike, strict=True)
        ]
        source_weight = self.source_weight * ramp_up(step.updates, self.warmup_steps, "sigmoid")
        right = ops.cast(ops.equal(0.5 * (scores[0] + scores[1]) > 0, tampered > 0), "float32")
        terms = {
            "supervised": Term(0.5 * (entropies[0] + entropies[1]), known),
            "patches": Term(0.5 * (patches[0] + patches[1]), known, self.patch_weight),
            "sources": Term(multi_source_consistency_loss(maps), None, source_weight),
            "accuracy": Term(right, known, 0.0),
        }
        if self.cluster_weight:
            errors = [
                ops.mean(ops.square(each - smaller_cluster(affinity)), axis=1)
                for each, affinity in zip(maps, alike, strict=True)
            ]
            terms["clusters"] = Term(0.5 * (errors[0] + errors[1]), tampered, self.cluster_weight)
        return terms

    def tampering_maps(self, x: Tensor) -> np.ndarray:
        """How likely each place of inputs was pasted: float32 `[N, H, W]` in [0, 1], a mean over both streams."""
        image = self.encoder_input(x)
        streams = enumerate(self._streams(image, False))
        maps = [keras.ops.sigmoid(as_float(self.map_heads[number](places)[:, :, 0])) for number, (places, _) in streams]
        found = np.asarray(keras.ops.convert_to_numpy(0.5 * (maps[0] + maps[1])))
        height = round((found.shape[1] * image.shape[1] / image.shape[2]) ** 0.5)
        return found.reshape(len(found), height, -1)

    def _streams(self, image: Tensor, training: bool) -> list[tuple[Tensor, Tensor]]:
        """Places `[N, S, D]` and features `[N, D]` of the pixels, and of the noise residual."""
        return [
            places(seen, training=training)
            for places, seen in zip(self._maps, (image, noise_residual(image)), strict=True)
        ]

    def _score(self, logits: Tensor) -> Tensor:
        """The logit of each image, from those of its places `[N, S]`."""
        count = max(1, round(self.top_share * logits.shape[1]))
        return keras.ops.mean(keras.ops.top_k(logits, count)[0], axis=1)


def noise_residual(images: Tensor) -> Tensor:
    """Images minus the mean of the 3 x 3 pixels around each; beyond the border lie the nearest pixels.

    Args:
        images: `[N, H, W, C]`.

    Returns:
        A tensor of the same shape: 0 for a constant image.
    """
    ops = keras.ops
    padded = ops.concatenate([images[:, :1], images, images[:, -1:]], axis=1)
    padded = ops.concatenate([padded[:, :, :1], padded, padded[:, :, -1:]], axis=2)
    height, width = images.shape[1:3]
    around = [padded[:, down : down + height, right : right + width] for down in range(3) for right in range(3)]
    return images - sum(around) / 9.0


def _twin(encoder: keras.Model) -> keras.Model:
    """A model of the same configuration with weights of its own."""
    try:
        twin = type(encoder).from_config(encoder.get_config())
        if not twin.built:
            twin.build_from_config(encoder.get_build_config())
    except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
        raise ValueError(
            "`encoder` must be one that can be rebuilt from its `get_config()`. "
            f"Received: {encoder.name} of type {type(encoder).__name__} ({error})"
        ) from error
    return twin
