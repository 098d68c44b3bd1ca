"""Vision transformers of images with many channels, such as those of satellites."""

from collections.abc import Sequence
from typing import Any

import keras

from keras_ssl.encoders._trunk import Trunk, hidden_width, norm, pool, trunk_sizes
from keras_ssl.encoders.group_tokens import GroupTokens, check_channel_groups
from keras_ssl.encoders.vit import ViT
from keras_ssl.losses.numeric import check_integer, check_positive
from keras_ssl.typing import Tensor

_POOLINGS = ("class", "mean", "class_mean")


@keras.saving.register_keras_serializable(package="keras_ssl")
class ChannelGroupViT(keras.Model):
    """A vision transformer with tokens for groups of channels: images `[N, S, S, C]` to features `[N, D]`.

    Channels are put into groups, such as those of one resolution of a satellite. Of each patch there is a token for
    each group, made by a linear map of the group's own, to which fixed sines and cosines of the place and a learned
    embedding of the group are added (the authors' embedding of the group is fixed, and stands beside the place's).
    Blocks, pooling and layer names are those of `ViT`.

    Args:
        channel_groups: lists of channel numbers, each channel from 0 on in exactly one, such as
            `[[0, 1, 2, 6], [3, 4, 5, 7], [8, 9]]`.
        variant: width, depth and heads by name, as for `ViT`. Defaults to "B".
        patch_size: side of a patch in pixels. Defaults to 8.
        width: width of the tokens, a multiple of 4; None (default) is the variant's.
        depth: number of blocks; None (default) is the variant's.
        heads: number of heads, which must divide the width; None (default) is the variant's.
        mlp_ratio: width of the hidden layer over that of the tokens. Defaults to 4.
        image_size: side of the images in pixels, a multiple of the patch size. Defaults to 96.
        pooling: "class" (default): the class token; "mean": the mean of all other tokens; "class_mean": both.
        class_token: whether there is a class token, without which `pooling` must be "mean". Defaults to True.
        name: name of the model. Defaults to one made from variant and patch size, as in "channel_group_vit_b8".

    Raises:
        ValueError: if an argument has none of the values above.

    Example:

    >>> encoder = ChannelGroupViT([[0, 1, 2], [3]], "Ti", patch_size=4, depth=2, image_size=16)
    >>> tuple(encoder(keras.ops.zeros((2, 16, 16, 4))).shape)
    (2, 192)

    References: Cong et al., "SatMAE", NeurIPS 2022, https://arxiv.org/abs/2207.08051; Noman et al., "Rethinking
    Transformers Pre-training for Multi-Spectral Satellite Imagery", CVPR 2024, https://arxiv.org/abs/2403.05419.
    """

    def __init__(
        self,
        channel_groups: Sequence[Sequence[int]],
        variant: str = "B",
        patch_size: int = 8,
        width: int | None = None,
        depth: int | None = None,
        heads: int | None = None,
        mlp_ratio: float = 4.0,
        image_size: int = 96,
        pooling: str = "class",
        class_token: bool = True,
        name: str | None = None,
    ) -> None:
        groups = check_channel_groups(channel_groups)
        sizes = {"width": width, "depth": depth, "heads": heads}
        dim, blocks, head_count = trunk_sizes(variant, sizes)
        if dim % head_count:
            raise ValueError(f"`heads` must divide the width, {dim}. Received: heads={head_count}")
        if dim % 4:
            raise ValueError(f"`width` must be a multiple of 4. Received: width={dim}")
        patch_size = check_integer("patch_size", patch_size, 1)
        image_size = check_integer("image_size", image_size, 1)
        if image_size % patch_size:
            raise ValueError(f"`image_size` must be a multiple of {patch_size}. Received: image_size={image_size}")
        check_positive("mlp_ratio", mlp_ratio)
        if pooling not in _POOLINGS or (not class_token and pooling != "mean"):
            raise ValueError(
                f"`pooling` must be one of {_POOLINGS}, and 'mean' where there is no class token. "
                f"Received: pooling={pooling!r}, class_token={class_token}"
            )
        channels = sum(len(group) for group in groups)
        inputs = keras.Input((image_size, image_size, channels), name="images")
        x = GroupTokens(groups, patch_size, dim, class_token, name="tokens")(inputs)
        trunk = Trunk(blocks, head_count, "gelu", hidden_width(dim, "gelu", mlp_ratio), None, 0.0, None, False)
        for number in range(1, blocks + 1):
            x = trunk.block(x, number)
        x = norm(x, "norm")
        name = name or f"channel_group_vit_{variant.lower()}{patch_size}"
        super().__init__(inputs=inputs, outputs=pool(x, int(class_token), pooling, trunk), name=name)

        self.channel_groups = groups
        self.variant = variant
        self.patch_size = patch_size
        self.sizes = sizes
        self.mlp_ratio = mlp_ratio
        self.image_size = image_size
        self.pooling = pooling
        self.class_token = class_token
        self.prefix = int(class_token)
        self.token_width = dim

    def grid(self, input_shape: tuple[int | None, ...]) -> tuple[int, ...]:
        """Number of groups, rows and columns of the patches of images `[N, S, S, C]`."""
        height, width = input_shape[1:3]
        if height is None or width is None:
            raise ValueError(f"The height and width of the images must be known. Received: shape={tuple(input_shape)}")
        return len(self.channel_groups), height // self.patch_size, width // self.patch_size

    def tokens(self, x: Tensor) -> Tensor:
        """Class token, and the patches of each group with their positions, before the first block."""
        return self.get_layer("tokens")(x)

    encode = ViT.encode
    block_tokens = ViT.block_tokens
    pool = ViT.pool

    def get_config(self) -> dict[str, Any]:
        return {
            "channel_groups": [list(group) for group in self.channel_groups],
            "variant": self.variant,
            "patch_size": self.patch_size,
            **self.sizes,
            "mlp_ratio": self.mlp_ratio,
            "image_size": self.image_size,
            "pooling": self.pooling,
            "class_token": self.class_token,
            "name": self.name,
        }
