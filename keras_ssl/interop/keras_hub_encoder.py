"""A vision transformer of keras-hub as an encoder, with its own weights."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from keras_ssl.encoders.token_encoder import kept_tokens
from keras_ssl.encoders.vit import ViT
from keras_ssl.typing import Tensor

__all__ = ["KerasHubEncoder"]


class _Parts(NamedTuple):
    """What a backbone is made of: the tokens before the patches, images to tokens, and the blocks."""

    prefix: int
    embed: keras.layers.Layer
    blocks: Callable[[Tensor, bool], Tensor]


def _dinov2(backbone: Any) -> _Parts:
    if backbone.drop_path_rate:
        # Its noise has the batch size of the layer's building, which is not known.
        raise ValueError(
            "`backbone` must have a `drop_path_rate` of 0: keras-hub's drop path takes no batches in training. "
            f"Received: drop_path_rate={backbone.drop_path_rate}"
        )
    if backbone.use_mask_token:
        backbone.embeddings.mask_token.trainable = False  # nothing hides patches by it here

    def blocks(tokens: Tensor, training: bool) -> Tensor:
        return backbone.layernorm(backbone.encoder(tokens, training=training)[0])

    return _Parts(1 + backbone.num_register_tokens, backbone.embeddings, blocks)


def _vit(backbone: Any) -> _Parts:
    embed, blocks = backbone.get_layer("vit_patching_and_embedding"), backbone.get_layer("vit_encoder")
    return _Parts(int(backbone.use_class_token), embed, lambda tokens, training: blocks(tokens, training=training))


def _deit(backbone: Any) -> _Parts:
    embed, blocks = backbone.get_layer("deit_patching_and_embedding"), backbone.get_layer("deit_encoder")
    # A class token and one of distillation.
    return _Parts(2, embed, lambda tokens, training: blocks(tokens, training=training)[0])


TOKEN_BACKBONES: dict[str, Callable[[Any], _Parts]] = {
    "DINOV2Backbone": _dinov2,
    "DeiTBackbone": _deit,
    "ViTBackbone": _vit,
}
POOLINGS = ("class", "mean", "class_mean")


def pooled_tokens(tokens: Tensor, prefix: int, pooling: str) -> Tensor:
    """Features of tokens of which the first `prefix` stand for no patch."""
    if pooling == "class":
        return tokens[:, 0]
    mean = keras.ops.mean(tokens[:, prefix:], axis=1)
    return mean if pooling == "mean" else keras.ops.concatenate([tokens[:, 0], mean], axis=1)


def check_pooling(pooling: str, prefix: int) -> str:
    """The pooling of tokens that "auto" stands for, or the one given.

    Raises:
        ValueError: if it is unknown, or reads a class token that is not there.
    """
    known = POOLINGS if prefix else ("mean",)
    if pooling == "auto":
        return known[0]
    if pooling not in known:
        raise ValueError(f"`pooling` must be 'auto' or one of {known} for this backbone. Received: pooling={pooling!r}")
    return pooling


@keras.saving.register_keras_serializable(package="keras_ssl")
class KerasHubEncoder(keras.Model):
    """A vision transformer of keras-hub as a `TokenEncoder`: images `[N, H, W, C]` to features `[N, D]`.

    It is made of the backbone's own layers: what trains here has trained there, and nothing is copied. Images have the
    size that the backbone was made for. Of a DINOv2 backbone, the mask token is set not to train, as nothing uses it.
    `keras_ssl.interop.from_keras_hub` makes one.

    Args:
        backbone: a `DINOV2Backbone`, `ViTBackbone` or `DeiTBackbone` of keras-hub.
        pooling: "class", "mean" or "class_mean", as for `keras_ssl.encoders.ViT`; "auto" (default) is "class", or
            "mean" where there is no class token.
        name: of the model. Defaults to the backbone's.

    Raises:
        ValueError: if the backbone is another one, has drop path or patches that are not square, or `pooling` is
            unknown.

    References: Oquab et al., "DINOv2", 2023, https://arxiv.org/abs/2304.07193; Dosovitskiy et al., ICLR 2021,
    https://arxiv.org/abs/2010.11929; Touvron et al., "DeiT", 2021, https://arxiv.org/abs/2012.12877.
    """

    def __init__(self, backbone: keras.Model, pooling: str = "auto", name: str | None = None) -> None:
        kind: Any = backbone
        kind_name = type(backbone).__name__
        if kind_name not in TOKEN_BACKBONES:
            raise ValueError(
                f"`backbone` must be one of {', '.join(TOKEN_BACKBONES)} of keras-hub. Received: backbone={kind_name}"
            )
        sides = kind.patch_size if isinstance(kind.patch_size, tuple | list) else (kind.patch_size,) * 2
        if sides[0] != sides[1]:
            raise ValueError(f"`backbone` must have square patches. Received: patch_size={kind.patch_size}")
        parts = TOKEN_BACKBONES[kind_name](backbone)
        pooling = check_pooling(pooling, parts.prefix)
        inputs = keras.Input(tuple(kind.image_shape), name="images")
        tokens = parts.blocks(parts.embed(inputs), False)
        super().__init__(
            inputs=inputs, outputs=pooled_tokens(tokens, parts.prefix, pooling), name=name or backbone.name
        )
        # Its layers are this model's already: it is kept where Keras does not look for layers.
        self._parts = _Untracked(parts)
        self._backbone = _Untracked(backbone)
        self.pooling = pooling
        self.patch_size = int(sides[0])
        self.image_shape = tuple(kind.image_shape)
        self.image_size = int(kind.image_shape[0])
        self.prefix = parts.prefix
        self.token_width = int(kind.hidden_dim)

    grid = ViT.grid
    patches = ViT.patches

    @property
    def backbone(self) -> keras.Model:
        """The backbone, whose layers these are."""
        return self._backbone.kept

    def tokens(self, x: Tensor) -> Tensor:
        """The tokens of images with their positions, before the first block: `[N, prefix + T, D]`."""
        return self._parts.kept.embed(x)

    def encode(self, tokens: Tensor, keep: Tensor | None = None, training: bool = False) -> Tensor:
        """Tokens after the last normalization; of the patches those that `keep [N, K]` names, None (default) all."""
        return self._parts.kept.blocks(kept_tokens(tokens, self.prefix, keep), training)

    def pool(self, tokens: Tensor) -> Tensor:
        """The features of encoded tokens."""
        return pooled_tokens(tokens, self.prefix, self.pooling)

    def get_config(self) -> dict[str, Any]:
        backbone: Any = keras.saving.serialize_keras_object(self.backbone)
        # A DINOv2 backbone that is given a name puts it before those of its layers, which name the weights in files.
        if not self._parts.kept.embed.name.startswith(f"{self.backbone.name}_"):
            backbone["config"]["name"] = None
        return {"backbone": backbone, "pooling": self.pooling, "name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "KerasHubEncoder":
        backbone = keras.saving.deserialize_keras_object(config["backbone"], custom_objects=custom_objects)
        return cls(**{**config, "backbone": backbone})


class _Untracked:
    """Something that Keras does not look into."""

    def __init__(self, kept: Any) -> None:
        self.kept = kept
